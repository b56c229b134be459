"""Pulumi homes: the provided one, and one with its plugins and nothing else."""

import os
from pathlib import Path


def provided_home() -> Path:
    """The home of the user's Pulumi commands."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def new_home(directory: Path) -> Path:
    """Create a home at `directory` with the plugins of the provided one, and without logs.

    Pulumi reads the list of all logs when a command starts, so their number would be a part of the measured time.
    """
    directory.mkdir()
    plugins = provided_home() / "plugins"
    if plugins.exists():
        (directory / "plugins").symlink_to(plugins.resolve())
    return directory
