"""An environment on this machine's own engine and with no secret of its own, to hold a change against what was before.

A private copy of each revision, a back end of its own in a directory, placeholders for what is sealed. All of it goes
when the run ends, and nothing that the engine held before is touched.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import ImageNotFound

from gix_model import provider_facts
from gix_model.catalog import CATALOG
from gix_model.environment import STACK_LABEL
from gix_model.settings import EngineSettings
from gix_model.stack_file import key_path
from gix_ops import pulumi_command, resources
from gix_ops.delivery import git, touched
from gix_ops.delivery.release import read_config
from gix_ops.errors import StackError
from gix_ops.stack import StackReference, connect

_SALT = "encryptionsalt"
_NO_DIGEST = "sha256:" + "0" * 64
_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """An environment as the base revision has it, and a private copy of HEAD to hold against it.

    `against` says what the environment is, in words. `placeholders` are the keys whose values are not its own.
    """

    head: Path
    against: str
    placeholders: tuple[str, ...]


@contextmanager
def rehearse(repository: Path, stack: str, base: str) -> Iterator[Rehearsal]:
    """Bring the environment up as the revision `base` has it, where that can be.

    Raises StackError where this machine's engine does not answer, or holds something of such a stack already.
    """
    client = connect(EngineSettings(), repository)
    with tempfile.TemporaryDirectory(prefix="gix-rehearsal-") as scratch, _own_back_end(Path(scratch)):
        copies = _Copies(repository=repository, stack=stack, scratch=Path(scratch))
        head = copies.at("HEAD")
        reference = StackReference(
            name=stack, directory=head, label=f"{_project(head)}/{stack}", engine=EngineSettings()
        )
        _refuse_occupied(client, reference.label)
        tags = {tag for image in client.images.list() for tag in image.tags}
        try:
            against = _bring_up(copies, base)
            yield Rehearsal(head=head, against=against, placeholders=tuple(sorted(copies.placeholders)))
        finally:
            _take_away(client, reference, tags)


def plain(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The `config` of a stack's file for an engine of its own: without what is sealed, and placeholders for that.

    The placeholders are by path. The same sealed text has the same placeholder, and a new one another.
    """
    secrets: dict[str, str] = {}

    def without(value: Any, *path: str) -> Any:
        if isinstance(value, Mapping):
            if isinstance(value.get("secure"), str):
                secrets[key_path(path)] = f"placeholder-{hashlib.sha256(value['secure'].encode()).hexdigest()[:12]}"
                return None
            kept = {key: without(item, *path, key) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not None or value[key] is None}
        return value

    kept = {key: without(value, key) for key, value in config.items() if key not in ("gix:engine", "gix:takeOver")}
    opened = {key: value for key, value in kept.items() if value is not None or config[key] is None}
    for section, key in (("gix:ledger", "adopt"), ("gix:images", "push")):
        if isinstance(opened.get(section), dict):
            opened[section].pop(key, None)
    return opened, secrets


@dataclass(kw_only=True)
class _Copies:
    repository: Path
    stack: str
    scratch: Path
    placeholders: set[str] = field(default_factory=set)
    salt: str = ""

    def at(self, revision: str) -> Path:
        directory = git.copy(self.repository, revision, self.scratch / f"copy-{revision}")
        file = directory / f"Pulumi.{self.stack}.yaml"
        config, secrets = plain(read_config(directory, self.stack))
        self.placeholders |= secrets.keys() | set(_fill_digests(config))
        file.write_text(yaml.safe_dump({"config": config} | ({_SALT: self.salt} if self.salt else {})))
        if not self.salt:
            _done(directory, "stack", "init", self.stack, "--no-select")
            self.salt = yaml.safe_load(file.read_text())[_SALT]
        for path, value in secrets.items():
            _done(directory, "config", "set", "--secret", "--path", path, value, stack=self.stack)
        return directory


def _fill_digests(config: dict[str, Any]) -> Iterator[str]:
    """Digests of nothing for the services that have none: a release gives them, and no file of a revision has them."""
    if touched.builds(config):
        return
    digests, services = config["gix:images"].setdefault("digests", {}), config.get("gix:services", list(CATALOG))
    for service in CATALOG:
        if isinstance(digests, dict) and isinstance(services, list) and service in services and service not in digests:
            digests[service] = _NO_DIGEST
            yield f"gix:images.digests.{service}"


def _project(directory: Path) -> str:
    try:
        return str(yaml.safe_load((directory / "Pulumi.yaml").read_text())["name"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise StackError(f"Pulumi.yaml names no project: {error}") from None


@contextmanager
def _own_back_end(scratch: Path) -> Iterator[None]:
    state = scratch / "state"
    state.mkdir()
    before = dict(os.environ)
    os.environ.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    os.environ |= {"PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": "placeholder"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _refuse_occupied(client: docker.DockerClient, label: str) -> None:
    """Whatever has the label later is the rehearsal's own, and is removed with it."""
    mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={label}"}
    held = [
        *(f"container {each.name}" for each in client.containers.list(all=True, filters=mine)),
        *(f"network {each.name}" for each in client.networks.list(filters=mine)),
        *(f"volume {each.name}" for each in client.volumes.list(filters=mine)),
    ]
    if held:
        raise StackError(
            f"this engine holds {', '.join(held)} of {label} already; point DOCKER_HOST at an engine without it"
        )


def _bring_up(copies: _Copies, base: str) -> str:
    if f"Pulumi.{copies.stack}.yaml" not in git.tracked(copies.repository, base, "Pulumi.*.yaml"):
        return "nothing: the environment is new"
    directory = copies.at(base)
    config = read_config(directory, copies.stack)
    if not touched.builds(config):
        registry = (config.get("gix:registry") or {}).get("address", "a registry")
        return f"nothing, so that everything is created: its images come from {registry}, which this run does not read"
    answer = pulumi_command.ask(directory, "up", "--yes", "--skip-preview", stack=copies.stack)
    if answer.returncode:
        words = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-_LAST_LINES:])
        raise StackError(f"the base revision can't be brought up on this engine:\n{words}")
    return "the base revision, brought up on the runner's own engine"


def _take_away(client: docker.DockerClient, reference: StackReference, tags: set[str]) -> None:
    mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={reference.label}"}
    for container in client.containers.list(all=True, filters=mine):
        container.remove(force=True)
    for network in client.networks.list(filters=mine):
        network.remove()
    for volume in client.volumes.list(filters=mine):
        volume.remove()
    for each in resources.export(reference).resources:
        if each.type == provider_facts.IMAGE and each.name not in tags:
            with suppress(ImageNotFound):
                client.images.remove(each.name)


def _done(directory: Path, *words: str, stack: str | None = None) -> None:
    answer = pulumi_command.ask(directory, *words, stack=stack)
    if answer.returncode:
        raise StackError(f"pulumi {' '.join(words[:2])} failed: {answer.stderr.strip()}")
