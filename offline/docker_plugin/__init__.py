"""A Pulumi resource plugin named `docker` for machines where the official one cannot be downloaded.

It serves the resource types of `pulumi_docker` against a real Docker Engine and behaves as the official plugin does,
its traps included. An input that it does not implement is an error that names the input.
"""

from typing import Final

NAME: Final = "docker"
VERSION: Final = "5.2.0"
