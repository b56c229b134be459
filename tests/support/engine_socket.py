"""A connection to the engine of the tests, below HTTP."""

import os
import socket


def connect_to_engine() -> socket.socket:
    """Connect to the engine at `DOCKER_HOST`. Default: `unix:///var/run/docker.sock`."""
    kind, _, address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    if kind == "unix":
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(address)
        return engine
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))
