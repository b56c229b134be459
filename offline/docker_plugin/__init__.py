"""A Pulumi resource plugin named `docker` for machines where the official one cannot be downloaded.

It implements the resource types of `pulumi_docker` on a real Docker Engine and behaves as the official plugin does,
including its defects. An input that it does not implement is an error that names the input.
"""

from typing import Final

NAME: Final = "docker"
VERSION: Final = "5.2.0"
