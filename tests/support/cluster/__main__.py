"""A cluster for a person, until it is removed: python -m tests.support.cluster up, down or status."""

import argparse
import sys
from pathlib import Path

from docker.errors import DockerException
from requests import RequestException

from tests.support.cluster import Cluster, ClusterError

_DIRECTORY = Path(__file__).parents[3] / ".cluster"


def main() -> int:
    """Run the command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.cluster", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "status"))
    parser.add_argument("--managers", type=int, default=1, help="number of managers (default: 1)")
    parser.add_argument("--workers", type=int, default=2, help="number of workers (default: 2)")
    parser.add_argument("--directory", type=Path, default=_DIRECTORY, help="sockets and logs (default: .cluster)")
    options = parser.parse_args()
    try:
        cluster = Cluster.planned(
            options.directory.absolute(), managers=options.managers, workers=options.workers, detached=True
        )
        if options.verb == "up":
            _up(cluster)
        if options.verb == "down":
            cluster.remove()
        else:
            _show(cluster)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (DockerException, RequestException) as error:
        sys.stderr.write(f"the first manager does not answer: {error}; to start anew: make cluster-down cluster\n")
        return 1
    return 0


def _up(cluster: Cluster) -> None:
    if cluster.running:
        return
    # What a crash has left.
    cluster.remove()
    try:
        cluster.start()
    except BaseException:
        cluster.remove()
        raise


def _show(cluster: Cluster) -> None:
    network = cluster.network
    # As many as `up` has made, whatever the options of this command.
    for node in sorted(
        cluster.manager.client.nodes.list(), key=lambda node: str(node.attrs["Description"]["Hostname"])
    ):
        name, status = node.attrs["Description"]["Hostname"], node.attrs["Status"]
        host = f"unix://{cluster.directory}/{name}.sock"
        sys.stdout.write(f"{name:9} {status['State']:6} {status['Addr']:12} DOCKER_HOST={host}\n")
    sys.stdout.write(f"registry         {cluster.registry.address}\n")
    sys.stdout.write(f"To reach published ports: nsenter --net={network} -- COMMAND\n")


if __name__ == "__main__":
    sys.exit(main())
