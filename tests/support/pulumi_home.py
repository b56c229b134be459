"""The Pulumi home of the tests: the plugins that this machine provides, and logs and workspaces of its own.

Each `pulumi` command writes a log into the home and reads the list of all logs when it starts. With the 12,000 logs
that Pulumi keeps by default, this takes 0.05 s of processor time for each command.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from benchmarks import pulumi_home
from offline.docker_plugin import NAME, VERSION

PLUGIN = Path("plugins", f"resource-{NAME}-v{VERSION}", f"pulumi-resource-{NAME}")
"""The path of the docker plugin below a Pulumi home."""
LOGS_MEGABYTES = 10
"""The size of all logs over which Pulumi deletes the oldest. Pulumi's default: 500."""


def provided_home() -> Path | None:
    """The Pulumi home that has a docker plugin, if there is one."""
    home = pulumi_home.provided_home()
    return home if (home / PLUGIN).exists() else None


def is_official(home: Path) -> bool:
    """Whether the docker plugin of a Pulumi home is the official one, and not this project's."""
    return b"offline.docker_plugin" not in (home / PLUGIN).read_bytes()


@contextlib.contextmanager
def own_home() -> Iterator[None]:
    """Let this process and those that it starts use a new Pulumi home with the plugins of the provided one.

    The home of the offline plugin stays as it is: it belongs to the clone, and a set-up knows it by its path.
    """
    provided = provided_home()
    if provided is None or not is_official(provided):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="gix-pulumi-home-") as directory:
        home = pulumi_home.new_home(Path(directory, "home"))
        limit = {"PULUMI_LOG_ROTATION_MAX_TOTAL_MB": str(LOGS_MEGABYTES)}
        with mock.patch.dict(os.environ, {"PULUMI_HOME": str(home)} | limit):
            yield
