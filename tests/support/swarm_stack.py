"""A stack on a Swarm cluster, with images that its registry has."""

import json
import os
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container

from gix_model.catalog import CATALOG
from tests.support import cluster_client
from tests.support.cluster import Cluster, Node
from tests.support.jobs import file_in
from tests.support.registry import PASSWORD, USERNAME
from tests.support.stack_under_test import (
    PROGRAM,
    QUICK_HEALTH,
    QUICK_IMAGES,
    SERVICES,
    StackUnderTest,
    program_copy,
)
from tests.support.waiting import until

_SUBNET = "10.213.0.0/22"
"""Nothing else is in the cluster's network."""
EDGE = "edge"
_ROUTER_PORT = 50051


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


def new_stack(cluster: Cluster, directory: Path, images: Mapping[str, str]) -> StackUnderTest:
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


def router(node: Node) -> tuple[str, int]:
    return node.ip, _ROUTER_PORT


def tasks(stack: StackUnderTest, service: str) -> set[str]:
    """The ids of the tasks of a service that run."""
    api: Any = stack.client.api
    filters = {"service": f"{stack.prefix}-gix-{service}", "desired-state": "running"}
    return {each["ID"] for each in api.tasks(filters=filters) if each["Status"]["State"] == "running"}


def known_states(cluster: Cluster, manager: Node) -> dict[str, str]:
    """The states of the nodes, as a manager knows them. None is known while there is no leader."""
    try:
        return cluster.states(manager)
    except APIError:
        return {}


def until_edges_serve(cluster: Cluster, nodes: Iterable[Node]) -> None:
    """Wait until the edge of each of these nodes settles jobs."""
    for node in nodes:
        until(
            lambda node=node: cluster_client.settles(cluster, router(node), jobs=9),  # type: ignore[misc]
            f"the edge of {node.name} does not serve",
        )


def on_volume(stack: StackUnderTest, node: Node, image: str, *words: str) -> bytes:
    """What a command writes that sees the volume of the ledger."""
    container = _with_volume(stack, node, image, list(words))
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0, container.logs()
        said: bytes = container.logs()
        return said
    finally:
        container.remove(force=True)


def _with_volume(stack: StackUnderTest, node: Node, image: str, words: list[str]) -> Container:
    volume = {f"{stack.prefix}-gcam-data": {"bind": "/data", "mode": "ro"}}
    node.client.images.pull(image, auth_config={"username": USERNAME, "password": PASSWORD})
    return node.client.containers.create(image, words, user="0", volumes=volume)


def settled(stack: StackUnderTest, node: Node, image: str) -> Counter[str]:
    """How many times the ledger has each job."""
    # What a container writes can lack its end on a busy engine (Docker 20.10).
    reader = _with_volume(stack, node, image, [])
    try:
        lines = file_in(reader, "/data/ledger.jsonl").decode().splitlines()
    finally:
        reader.remove()
    return Counter(json.loads(line)["job"] for line in lines)
