"""Clients in the network of a cluster: `python -m tests.support.cluster_client settle|load HOST PORT NUMBER`.

`settle` sends NUMBER jobs and fails if one of them has another result. `load` sends NUMBER jobs in a second until its
standard input ends, and prints what became of them as JSON.
"""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import load as loads
from tests.support.cluster import Cluster
from tests.support.jobs import settle_at
from tests.support.load import Load
from tests.support.stack_under_test import PROGRAM


def settle(cluster: Cluster, router: tuple[str, int], jobs: int) -> None:
    """Send jobs to a published router from the cluster's network; fail where one has another result."""
    done = _settled(cluster, router, jobs)
    assert done.returncode == 0, done.stdout + done.stderr


def settles(cluster: Cluster, router: tuple[str, int], jobs: int) -> bool:
    """Whether all of some jobs come back with the right result."""
    return _settled(cluster, router, jobs).returncode == 0


def _settled(cluster: Cluster, router: tuple[str, int], jobs: int) -> "subprocess.CompletedProcess[str]":
    words = _words(cluster, "settle", router, jobs)
    return subprocess.run(words, cwd=PROGRAM, capture_output=True, text=True, check=False)


@contextmanager
def load(cluster: Cluster, router: tuple[str, int], *, rate: int) -> Iterator[Load]:
    """Send `rate` jobs in a second during the block, as tests.support.load does, from the cluster's network."""
    result = Load()
    with subprocess.Popen(
        _words(cluster, "load", router, rate), cwd=PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        try:
            yield result
        finally:
            output, _ = process.communicate()
    found = json.loads(output)
    for name, value in found.items():
        setattr(result, name, value)
    result.failures = Counter(result.failures)


def _words(cluster: Cluster, verb: str, router: tuple[str, int], number: int) -> list[str]:
    host, port = router
    return [*cluster.inside, sys.executable, "-m", __name__, verb, host, str(port), str(number)]


def _main(verb: str, host: str, port: str, number: str) -> None:
    router = (host, int(port))
    if verb == "settle":
        settle_at(router, int(number))
        return
    with loads.load(router, rate=int(number)) as done:
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
    json.dump(vars(done), sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
