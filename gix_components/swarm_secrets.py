"""Secrets and configs of Swarm.

One that a task uses cannot be replaced. The provider adds a random suffix to the name, so that the new one exists
beside the old one, the tasks change to it, and then the old one is deleted.
"""

import base64
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_model.environment import STACK_LABEL, Environment

SECRETS = "/run/secrets"
"""Directory in which Swarm mounts secrets."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The user and group of a file, and its mode."""

    uid: str
    gid: str
    mode: int = 0o400

    @classmethod
    def for_user(cls, user: str) -> "Owner":
        """The owner of a file that a process of `user` can read: UID or UID:GID. Default for GID: 0, as in Docker."""
        uid, _, gid = user.partition(":")
        return cls(uid=uid, gid=gid or "0")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a reference."""
        return {"file_uid": self.uid, "file_gid": self.gid, "file_mode": self.mode}


def secret(
    name: str, environment: Environment, value: str, *, file: str, owner: Owner, parent: pulumi.Resource
) -> dict[str, Any]:
    """Declare a secret. Returns the reference that mounts it as `file` in SECRETS. `name` gets a suffix."""
    made = docker.Secret(
        environment.name(name),
        data=pulumi.Output.secret(_encoded(value)),
        labels=[docker.SecretLabelArgs(label=STACK_LABEL, value=environment.label)],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return {"secret_id": made.id, "secret_name": made.name, "file_name": file, **owner.arguments}


def config(
    name: str, environment: Environment, value: str, *, file: str, owner: Owner, parent: pulumi.Resource
) -> dict[str, Any]:
    """Declare a config. Returns the reference that mounts it at the path `file`. `name` gets a suffix."""
    made = docker.ServiceConfig(
        environment.name(name),
        data=_encoded(value),
        labels=[docker.ServiceConfigLabelArgs(label=STACK_LABEL, value=environment.label)],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return {"config_id": made.id, "config_name": made.name, "file_name": file, **owner.arguments}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
