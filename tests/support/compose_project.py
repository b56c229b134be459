"""A Docker Compose project on the engine, made from its compose.yaml as Compose does, but without Compose."""

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.types import IPAMConfig, IPAMPool

FILES = Path(__file__).parent / "compose"
_PROJECT = "com.docker.compose.project"


@contextmanager
def compose_project(
    client: docker.DockerClient, file: Path, project: str, variables: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Bring a project up and remove it at the end of the block. Yields the names of its containers by service.

    Supports only the keys of the files in `compose/`. Container, network and volume get the names and labels of
    Compose.
    """
    text = string.Template(file.read_text()).substitute(variables)
    described = yaml.safe_load(text)
    names: dict[str, str] = {}
    try:
        for key, network in described["networks"].items():
            pools = [IPAMPool(subnet=each["subnet"]) for each in network["ipam"]["config"]]
            client.networks.create(
                _named(network, f"{project}_{key}"),
                driver=network["driver"],
                ipam=IPAMConfig(pool_configs=pools),
                labels={_PROJECT: project, "com.docker.compose.network": key},
            )
        for key, volume in described["volumes"].items():
            labels = {_PROJECT: project, "com.docker.compose.volume": key}
            client.volumes.create(_named(volume, f"{project}_{key}"), labels=labels)
        for service, container in described["services"].items():
            names[service] = container.get("container_name", f"{project}-{service}-1")
            _start(client, described, project, service, names[service])
        yield names
    finally:
        _remove(client, project)


def _named(described: Mapping[str, Any] | None, otherwise: str) -> str:
    return str((described or {}).get("name", otherwise))


def _start(client: docker.DockerClient, described: Mapping[str, Any], project: str, service: str, name: str) -> None:
    container = described["services"][service]
    mounts = [volume.partition(":") for volume in container.get("volumes", [])]
    published = {}
    for port in container["ports"]:
        address, host, inner = port.split(":")
        published[f"{inner}/tcp"] = (address, int(host))
    created = client.containers.create(
        container["image"],
        name=name,
        init=container["init"],
        restart_policy={"Name": container["restart"]},
        ports=published,
        volumes=[f"{_named(described['volumes'][key], f'{project}_{key}')}:{path}" for key, _, path in mounts],
        labels={
            _PROJECT: project,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
        },
    )
    client.networks.get("bridge").disconnect(created)
    for key, attached in container["networks"].items():
        network = client.networks.get(_named(described["networks"][key], f"{project}_{key}"))
        network.connect(created, aliases=[service, *attached["aliases"]])
    created.start()


def _remove(client: docker.DockerClient, project: str) -> None:
    mine: dict[str, str | list[str] | bool] = {"label": f"{_PROJECT}={project}"}
    for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
        container.remove(force=True)
    for network in client.networks.list(filters=mine):
        network.remove()
    for volume in client.volumes.list(filters=mine):
        volume.remove(force=True)
