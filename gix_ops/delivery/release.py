"""A release: the images of all services, pushed once, tested, and run everywhere by their digests."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from gix_model.catalog import CATALOG
from gix_model.environment import STACK_LABEL
from gix_model.merging import merged
from gix_model.settings import EngineSettings
from gix_ops import pulumi_command
from gix_ops.delivery import git
from gix_ops.errors import StackError
from gix_ops.stack import Stack, connect

BASE = "staging"
"""The environment that a release is tried like, before it is pushed."""
SOURCE_OF_REGISTRY = "prod"
"""The environment whose registry a release is pushed to."""
_SUBNET = "10.127.255.0/24"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What was pushed: `digests` by service, in the repositories `registry`/`organization`/SERVICE."""

    registry: str
    organization: str
    tag: str
    digests: Mapping[str, str]

    @classmethod
    def of_stack(cls, stack: Stack) -> "Release | None":
        """The release that a stack runs; None where it runs images that no registry has."""
        named = {service: each.digest.partition("@") for service, each in stack.outputs.services.items()}
        if not all(digest for _, _, digest in named.values()):
            return None
        path = next(iter(named.values()))[0].rpartition("/")[0]
        registry, _, organization = path.partition("/")
        return cls(
            registry=registry,
            organization=organization,
            tag=stack.outputs.versions.images,
            digests={service: digest for service, (_, _, digest) in named.items()},
        )

    @classmethod
    def load(cls, file: Path) -> "Release":
        """Read a file that `save` wrote; raises StackError where it is none."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise StackError(f"{file} is no release ({error}); gixctl release push writes one") from None

    def save(self, file: Path) -> None:
        """Write it down."""
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def pinned(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The `config` of an environment that runs this release, and nothing else."""
        images = {"way": "registry", "tag": self.tag, "digests": dict(self.digests)}
        kept = {key: value for key, value in (config.get("gix:images") or {}).items() if key not in ("push", "digests")}
        return merged(
            {**config, "gix:images": kept},
            {
                "gix:images": images,
                "gix:registry": {"address": self.registry, "organization": self.organization},
            },
        )


def try_out(directory: Path, name: str, tag: str) -> None:
    """Build all images, and bring them up as the stack `name`: like staging, beside all else, on this engine.

    Raises StackError where a command of Pulumi's fails, whose own words have been shown.
    """
    config = read_config(directory, BASE)
    config.pop("gix:engine", None)
    own = {
        "gix:prefix": name,
        "gix:network": {"subnet": _SUBNET},
        "gix:ledger": {"protect": False},
        "gix:defaults": {"publish": False},
        "gix:images": {"push": False, "tag": tag},
        "gix:registry": read_config(directory, SOURCE_OF_REGISTRY).get("gix:registry") or {},
    }
    file = directory / f"Pulumi.{name}.yaml"
    given = read_config(directory, name) if file.exists() else {}
    write_config(directory, name, merged(merged(config, own), given))
    pulumi_command.show(directory, "stack", "select", "--create", name)
    _log_in(directory, name)
    pulumi_command.show(directory, "up", "--stack", name, "--yes", "--skip-preview")


def push(directory: Path, name: str) -> Release:
    """Push what the stack `name` was tried with; the same content, so that what is pushed is what was tried.

    Raises StackError where a command of Pulumi's fails, whose own words have been shown.
    """
    write_config(directory, name, merged(read_config(directory, name), {"gix:images": {"push": True}}))
    pulumi_command.show(directory, "up", "--stack", name, "--yes", "--skip-preview")
    released = Release.of_stack(Stack.read(name, directory))
    if released is None:
        raise StackError(f"the stack {name} names no digest of a registry; set gix:registry.address")
    return released


def take_down(directory: Path, name: str) -> None:
    """Remove the stack that a release was tried with, however far it came; what was pushed stays.

    Raises StackError where a command of Pulumi's fails, whose own words have been shown.
    """
    pulumi_command.show(directory, "destroy", "--stack", name, "--yes", "--skip-preview")
    client = connect(EngineSettings(), directory)
    project = yaml.safe_load((directory / "Pulumi.yaml").read_text())["name"]
    for volume in client.volumes.list(filters={"label": f"{STACK_LABEL}={project}/{name}"}):
        volume.remove()
    for spec in CATALOG.values():
        repository = f"{name}-{spec.container}"
        tags = [tag for image in client.images.list(repository) for tag in image.tags]
        # By the tag and never by the id, which other stacks' images share.
        for tag in (tag for tag in tags if tag.startswith(f"{repository}:")):
            client.images.remove(tag)
    pulumi_command.show(directory, "stack", "rm", name, "--yes")


def pin(directory: Path, environment: str, release: Release) -> None:
    """Have the environment's file name the release's digests; what it says besides stays."""
    write_config(directory, environment, release.pinned(read_config(directory, environment)))


@contextmanager
def as_deployed(directory: Path, environment: str) -> Iterator[Path]:
    """A copy of HEAD in which the environment's file names the images that it runs now.

    A release gives them, and no revision has them: without, every preview would go back to what is built.
    """
    with tempfile.TemporaryDirectory(prefix="gix-preview-") as scratch:
        copy = git.copy(directory, "HEAD", Path(scratch, "head"))
        try:
            deployed = Release.of_stack(Stack.read(environment, directory))
        except StackError:
            # It was never up, so that it runs nothing.
            deployed = None
        if deployed is not None:
            pin(copy, environment, deployed)
        yield copy


def read_config(directory: Path, stack: str) -> dict[str, Any]:
    """The `config` of a stack's file; raises StackError where there is none, or it is no such file."""
    file = directory / f"Pulumi.{stack}.yaml"
    try:
        config = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
        return dict(config)
    except OSError:
        raise StackError(f"there is no {file.name}") from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise StackError(f"{file.name} is no stack file: {error}") from None


def write_config(directory: Path, stack: str, config: Mapping[str, Any]) -> None:
    """Write the `config` of a stack's file, and leave the rest of it as it is."""
    file = directory / f"Pulumi.{stack}.yaml"
    known = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
    file.write_text(yaml.safe_dump(known | {"config": dict(config)}))


def _log_in(directory: Path, stack: str) -> None:
    username, password = (os.environ.get(f"GIX_REGISTRY_{name}") for name in ("USERNAME", "PASSWORD"))
    if not (username and password):
        return
    for words, value in ((("gix:registry.username",), username), (("--secret", "gix:registry.password"), password)):
        answer = pulumi_command.ask(directory, "config", "set", "--path", *words, stack=stack, stdin=value)
        if answer.returncode:
            raise StackError(f"the log-in can't be set: {answer.stderr.strip()}")
