"""A stack that is created for one purpose, beside all other stacks, and removed with all that it made."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from gix_engine import observed_state, removal
from gix_engine.observed_state import ObservedState
from gix_model import stack_file
from gix_model.catalog import CATALOG
from gix_model.environment import Environment
from gix_model.raw_values import key_of
from gix_model.settings import StackSettings
from gix_model.stack_file import StackFile
from gix_ops import pulumi_command, stack_ledger
from gix_ops.errors import StackError
from gix_ops.stack import Stack, StackReference, project_name

_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class TemporaryStack:
    """One temporary stack of the program in `directory`.

    `prefix` is the stack's own gix:prefix, which the names of its images begin with. `variables` are environment
    variables of Pulumi, for example those of a back end.
    """

    name: str
    directory: Path
    prefix: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The value of STACK_LABEL on everything that the stack creates."""
        return f"{project_name(self.directory)}/{self.name}"

    def configure(self, base: StackFile, settings: StackSettings, *, without: Collection[tuple[str, ...]] = ()) -> None:
        """Write the stack's file: the configuration of `base` except for the keys `without`, and `settings` over it.

        Raises StackFileError if the file cannot be changed.
        """
        file = base.copy_for(self.name)
        for path in without:
            file.remove(*path)
        file.update(settings)
        file.write()

    def create(self) -> None:
        """Create the stack if it does not exist. Raises StackError if Pulumi fails."""
        pulumi_command.show(self.directory, "stack", "select", "--create", self.name, variables=self.variables)

    def set(self, *path: str, value: str, secret: bool = False) -> None:
        """Set a key of the configuration, for example `registry`, `username`. Raises StackError if Pulumi fails."""
        words = ("config", "set", "--path", *(["--secret"] if secret else []), key_of(path))
        # On standard input, because any user of the machine can see the words of a command.
        pulumi_command.ask(self.directory, *words, stack=self.name, stdin=value, variables=self.variables)

    def up(self) -> None:
        """Bring the stack up, and show Pulumi's output. Raises StackError if that fails."""
        self._show("up", "--yes", "--skip-preview")

    def up_quietly(self) -> None:
        """Bring the stack up. Raises StackError with the end of Pulumi's output if that fails."""
        words = ("up", "--yes", "--skip-preview")
        done = pulumi_command.answer(self.directory, *words, stack=self.name, variables=self.variables)
        if done.returncode:
            raise StackError("\n".join((done.stdout + done.stderr).strip().splitlines()[-_LAST_LINES:]))

    def read(self) -> Stack:
        """The stack with its outputs. Raises StackError if it is not up."""
        return Stack.read(self.name, self.directory)

    def remove(self) -> None:
        """Destroy the stack, however much of it is up, and remove its ledger, images, state and file.

        Raises StackError if there is no such stack, if its ledger is protected or in use by others, or if Pulumi fails.
        """
        reference = StackReference.find(self.name, self.directory)
        client = reference.connect()
        for volume in self._own(client).volumes:
            stack_ledger.deletable(reference, volume.name, destroyed_first=True)
        self._show("destroy", "--yes", "--skip-preview")
        self._sweep(client, kept=frozenset())
        pulumi_command.show(self.directory, "stack", "rm", self.name, "--yes", variables=self.variables)
        (self.directory / stack_file.name(self.name)).unlink(missing_ok=True)

    @contextmanager
    def swept_from(self, client: docker.DockerClient) -> Iterator[None]:
        """Remove everything that the stack makes on an engine when the block ends, also what Pulumi lost track of.

        The state is not used, so this is for a back end that is thrown away. Images that the engine has before stay.

        Raises StackError if the engine has something of such a stack before.
        """
        self._refuse_occupied(client)
        kept = self._images(client)
        try:
            yield
        finally:
            self._sweep(client, kept)

    def _own(self, client: docker.DockerClient) -> ObservedState:
        return observed_state.observe(client).created_by(self.label)

    def _show(self, *words: str) -> None:
        pulumi_command.show(self.directory, *words, stack=self.name, variables=self.variables)

    def _refuse_occupied(self, client: docker.DockerClient) -> None:
        own = self._own(client)
        found = [
            *(f"container {each.name}" for each in own.containers),
            *(f"network {each.name}" for each in own.networks),
            *(f"volume {each.name}" for each in own.volumes),
        ]
        if found:
            raise StackError(
                f"this engine already has {', '.join(found)} of {self.label}; set DOCKER_HOST to an engine without them"
            )

    def _sweep(self, client: docker.DockerClient, kept: frozenset[str]) -> None:
        try:
            own = self._own(client)
            for container in own.containers:
                removal.remove_container(client, container)
            for network in own.networks:
                removal.remove_network(client, network)
            for volume in own.volumes:
                removal.remove_volume(client, volume)
            for tag in self._images(client) - kept:
                # By its tag and not by its id: other stacks may use the same image.
                with contextlib.suppress(ImageNotFound):
                    client.api.remove_image(tag)
        except (DockerException, OSError) as error:
            raise StackError(f"not everything of the stack {self.name} could be removed: {error}") from error

    def _images(self, client: docker.DockerClient) -> frozenset[str]:
        names = Environment(
            project="",
            stack=self.name,
            directory=self.directory,
            settings=StackSettings(prefix=self.prefix),
            services={},
        )
        repositories = [names.name(spec.container) for spec in CATALOG.values()]
        tags = (tag for image in observed_state.observe_images(client) for tag in image.tags)
        return frozenset(tag for tag in tags if tag.rpartition(":")[0] in repositories)
