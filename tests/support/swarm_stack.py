"""A stack on a Swarm cluster, with images that its registry has."""

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gix_model.catalog import CATALOG
from tests.support.cluster import Cluster, Node
from tests.support.registry import PASSWORD, USERNAME
from tests.support.stack_under_test import (
    PROGRAM,
    QUICK_HEALTH,
    QUICK_IMAGES,
    SERVICES,
    StackUnderTest,
    program_copy,
)

_SUBNET = "10.213.0.0/24"
"""Nothing else is in the cluster's network."""
EDGE = "edge"


def provide_images(cluster: Cluster) -> dict[str, str]:
    """Build the images of the services on the machine's engine, and push them and the edge's to the cluster's registry.

    Returns their names by digest, by service, and that of the edge under EDGE.
    """
    prefix = f"t{secrets.token_hex(4)}"
    names = {service: f"{prefix}-{service}:latest" for service in SERVICES}
    names[EDGE] = os.environ.get("GIX_EDGE_IMAGE", "haproxy:2.8")
    try:
        for service in SERVICES:
            _build(service, names[service])
        cluster.load(*names.values())
        return {service: cluster.push(name, f"gix-network/{service}") for service, name in names.items()}
    finally:
        subprocess.run(["docker", "rmi", *(names[service] for service in SERVICES)], capture_output=True, check=False)


def _build(service: str, name: str) -> None:
    arguments = {
        "BUILDER_BASE": os.environ.get("GIX_BUILDER_BASE", "rust:1.75-bookworm"),
        "RUNTIME_BASE": os.environ.get("GIX_RUNTIME_BASE", "debian:bookworm-slim"),
        "LTO": QUICK_IMAGES["lto"],
        "PROFILE": "release",
    }
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    target = next(spec.target for spec in CATALOG.values() if spec.name == service)
    subprocess.run(
        [
            *(os.environ.get("GIX_DOCKER", "docker"), "build", "--quiet", "--tag", name, "--target", target, *words),
            *("--file", str(PROGRAM / "infra/docker/Dockerfile.rust-builder"), str(PROGRAM / "sample")),
        ],
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
        check=True,
        capture_output=True,
    )


def swarm_stack(cluster: Cluster, directory: Path, images: Mapping[str, str]) -> StackUnderTest:
    """A stack that is not up yet. Its ledger is on the first worker."""
    name = f"t{secrets.token_hex(4)}"
    config: dict[str, Any] = {
        "gix:prefix": name,
        "gix:images": {"way": "registry", "digests": {each: digest(images[each]) for each in SERVICES}},
        "gix:registry": {"address": cluster.registry.address},
        "gix:network": {"subnet": _SUBNET},
        "gix:ledger": {"protect": False, "node": cluster.workers[0].name},
        "gix:engine": {
            "mode": "swarm",
            "host": cluster.manager.host,
            "nodes": {node.name: node.host for node in cluster.nodes},
        },
        "gix:rollout": {"strategy": "start-first"},
        "gix:edge": {"image": images[EDGE]},
        "gix:defaults": {"healthCheck": QUICK_HEALTH},
    }
    stack = StackUnderTest(client=cluster.manager.client, directory=program_copy(directory), name=name, config=config)
    if cluster.login:
        stack.secrets["gix:registry.password"] = PASSWORD
        stack.change(registry={"username": USERNAME})
    stack.write()
    return stack


def docker_on(node: Node, *words: str, stdin: bytes | None = None) -> bytes:
    """What `docker WORDS` prints on the engine of a node."""
    done = subprocess.run(["docker", "--host", node.host, *words], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def digest(image: str) -> str:
    """The digest of an image that is named by it."""
    return image.partition("@")[2]
