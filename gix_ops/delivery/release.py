"""A release: the images of all services, pushed once, tested, and run everywhere by their digests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gix_model import edge_certificate, parsing
from gix_model.catalog import ServiceName
from gix_model.settings import (
    Digest,
    ImageSettings,
    ImageTag,
    LedgerSettings,
    NetworkSettings,
    RegistrySettings,
    ServiceDefaults,
    StackSettings,
)
from gix_model.stack_file import StackFile
from gix_ops.delivery import git
from gix_ops.delivery.temporary_stack import TemporaryStack
from gix_ops.errors import StackError
from gix_ops.stack import Stack

BASE = "staging"
"""The stack whose configuration a trial starts from."""
SOURCE_OF_REGISTRY = "prod"
"""The stack whose registry a release is pushed to."""
_SUBNET = "10.127.255.0/24"


class Release(BaseModel):
    """What was pushed: `digests` by service, in the repositories `registry`/`organization`/SERVICE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: str
    organization: str
    tag: ImageTag
    digests: Annotated[dict[ServiceName, Digest], Field(min_length=1)]

    @classmethod
    def of_stack(cls, stack: Stack) -> "Release | None":
        """The release that a stack runs; None if it runs images that are in no registry."""
        images = {service: each.digest.partition("@") for service, each in stack.outputs.services.items()}
        if not all(digest for _, _, digest in images.values()):
            return None
        repository = next(iter(images.values()))[0].rpartition("/")[0]
        registry, _, organization = repository.partition("/")
        return cls(
            registry=registry,
            organization=organization,
            tag=stack.outputs.versions.images,
            digests={service: digest for service, (_, _, digest) in images.items()},
        )

    @classmethod
    def load(cls, file: Path) -> "Release":
        """Read a file that `save` wrote. Raises StackError if it is not one."""
        try:
            return cls.model_validate_json(file.read_text())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "content"
            raise StackError(
                f"{file} is not a release ({where}: {first['msg']}); gixctl release push writes one"
            ) from None
        except (OSError, ValueError) as error:
            raise StackError(f"{file} is not a release ({error}); gixctl release push writes one") from None

    def save(self, file: Path) -> None:
        """Write the release to a file."""
        file.write_text(self.model_dump_json(indent=2) + "\n")

    def pin(self, file: StackFile) -> None:
        """Change a stack's file so that the stack runs the images of this release. Other keys stay."""
        file.remove("images", "push")
        for service in file.keys("images", "digests"):
            if service not in self.digests:
                file.remove("images", "digests", service)
        file.update(
            StackSettings(
                images=ImageSettings(way="registry", tag=self.tag, digests=self.digests),
                registry=RegistrySettings(address=self.registry, organization=self.organization),
            )
        )


def trial(directory: Path, name: str) -> TemporaryStack:
    """The stack `name` in which a release is tried."""
    return TemporaryStack(name=name, directory=directory, prefix=name)


def try_out(directory: Path, name: str, tag: str) -> None:
    """Build all images, and run them as the stack `name` on this machine's engine, configured like BASE.

    Raises StackError if Pulumi fails, whose own output has been shown, or StackFileError if a file is not valid.
    """
    registry = parsing.stated_settings(StackFile.read(directory, SOURCE_OF_REGISTRY).config).registry
    stack = trial(directory, name)
    stack.configure(
        StackFile.read(directory, BASE),
        StackSettings(
            prefix=name,
            network=NetworkSettings(subnet=_SUBNET),
            ledger=LedgerSettings(protect=False),
            defaults=ServiceDefaults(publish=False),
            images=ImageSettings(push=False, tag=tag),
            registry=RegistrySettings(address=registry.address, organization=registry.organization),
        ),
        # Another stack's secrets are encrypted with a key that this stack does not have. It publishes no ports.
        without=[("engine",), ("registry",), *(("edge", key) for key in (*edge_certificate.KEYS, "metricsPort"))],
    )
    stack.create()
    username, password = (os.environ.get(f"GIX_REGISTRY_{name}") for name in ("USERNAME", "PASSWORD"))
    if username and password:
        stack.set("registry", "username", value=username)
        stack.set("registry", "password", value=password, secret=True)
    stack.up()


def push(directory: Path, name: str) -> Release:
    """Push the images that the stack `name` runs, without a new build.

    Raises StackError if Pulumi fails, whose own output has been shown, or if the stack has no registry.
    """
    file = StackFile.read(directory, name)
    file.update(StackSettings(images=ImageSettings(push=True)))
    file.write()
    stack = trial(directory, name)
    stack.up()
    released = Release.of_stack(stack.read())
    if released is None:
        raise StackError(f"the images of the stack {name} have no digests of a registry; set gix:registry.address")
    return released


def pin(directory: Path, stack: str, release: Release) -> None:
    """Change the file of a stack so that it runs a release. Raises StackFileError if the file cannot be changed."""
    file = StackFile.read(directory, stack)
    release.pin(file)
    file.write()


@contextmanager
def as_deployed(directory: Path, stack: str) -> Iterator[Path]:
    """A copy of HEAD in which the stack's file names the images that the stack runs now.

    Only a release sets digests, and no revision has them. Without them each preview would show a change of the images.
    """
    with tempfile.TemporaryDirectory(prefix="gix-preview-") as scratch:
        copy = git.copy(directory, "HEAD", Path(scratch, "head"))
        try:
            deployed = Release.of_stack(Stack.read(stack, directory))
        except StackError:
            # The stack is not up, so it runs no images.
            deployed = None
        if deployed is not None:
            pin(copy, stack, deployed)
        yield copy
