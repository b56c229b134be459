"""Runs a stack as a base revision has it on this machine's engine, so that a change is previewed without its secrets.

Each revision is a private copy, the back end is a directory, and placeholders stand for secrets. All of it is removed
at the end, and nothing that the engine had before is touched.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gix_model import edge_certificate, parsing, stack_file
from gix_model.raw_values import key_of
from gix_model.settings import EngineSettings, ImageSettings, StackSettings
from gix_model.stack_file import StackFile
from gix_ops import pulumi_command
from gix_ops.delivery import git
from gix_ops.delivery.temporary_stack import TemporaryStack
from gix_ops.errors import StackError
from gix_ops.stack import connect

_NO_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """A stack as the base revision has it, and a private copy of HEAD to preview against it.

    `against` describes what HEAD is compared with. `placeholders` are the keys that have placeholders. `variables` are
    the environment variables with which Pulumi finds the stack.
    """

    head: Path
    against: str
    placeholders: tuple[str, ...]
    variables: Mapping[str, str]


@contextmanager
def rehearse(repository: Path, stack: str, base: str) -> Iterator[Rehearsal]:
    """Bring a stack up as the revision `base` has it, if its images can be built here, and remove it at the end.

    Raises StackError if this machine's engine does not answer or has such a stack already, or if Pulumi fails, and
    StackFileError if the stack's file is not valid.
    """
    client = connect(EngineSettings(), repository)
    with tempfile.TemporaryDirectory(prefix="gix-rehearsal-") as scratch:
        copies = _Copies(repository=repository, stack=stack, scratch=Path(scratch))
        head = copies.at("HEAD")
        is_new = stack_file.name(stack) not in git.tracked(repository, base, "Pulumi.*.yaml")
        before = head if is_new else copies.at(base)
        settings = parsing.stated_settings(StackFile.read(before, stack).config)
        temporary = TemporaryStack(name=stack, directory=before, prefix=settings.prefix, variables=copies.variables)
        with temporary.swept_from(client):
            against = "nothing: the environment is new" if is_new else _bring_up(temporary, settings)
            yield Rehearsal(
                head=head,
                against=against,
                placeholders=tuple(sorted(copies.placeholders)),
                variables=copies.variables,
            )


def detach(file: StackFile) -> dict[str, str]:
    """Change a stack's file so that it works with any engine, registry and key; return placeholders for secrets by key.

    What names an engine or takes over its objects is removed, and so are the certificate of the edge and the secrets.
    Secrets with the same encrypted text have the same placeholder.
    """
    for path in (("engine",), ("takeOver",), ("ledger", "adopt"), ("images", "push")):
        file.remove(*path)
    # A placeholder is no key, and the files of a certificate are not in the repository.
    for key in edge_certificate.KEYS:
        file.remove("edge", key)
    return {key: f"placeholder-{_hash(text)}" for key, text in file.take_secrets().items()}


def fill_digests(file: StackFile) -> list[str]:
    """Set a placeholder for each digest that a stack without builds needs and its file does not have; return the keys.

    A release sets the digests, so no revision has them.
    """
    settings = parsing.stated_settings(file.config)
    if settings.images.are_built:
        return []
    stated = file.keys("images", "digests")
    missing = [service for service in settings.services if service not in stated]
    file.update(StackSettings(images=ImageSettings(digests=dict.fromkeys(missing, _NO_DIGEST))))
    return [key_of(("images", "digests", service)) for service in missing]


@dataclass(kw_only=True)
class _Copies:
    """Private copies of revisions. All have one stack in common, so they share its encryption."""

    repository: Path
    stack: str
    scratch: Path
    placeholders: set[str] = field(default_factory=set)
    encryption: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Path:
        directory = git.copy(self.repository, revision, self.scratch / f"copy-{revision}")
        file = StackFile.read(directory, self.stack)
        secrets = detach(file)
        self.placeholders |= secrets.keys() | set(fill_digests(file))
        file.encryption = self.encryption
        file.write()
        if not self.encryption:
            pulumi_command.ask(directory, "stack", "init", self.stack, "--no-select", variables=self.variables)
            self.encryption = StackFile.read(directory, self.stack).encryption
        for key, placeholder in secrets.items():
            words = ("config", "set", "--secret", "--path", key)
            pulumi_command.ask(directory, *words, stack=self.stack, stdin=placeholder, variables=self.variables)
        return directory

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a back end in a directory of its own."""
        state = self.scratch / "state"
        state.mkdir(exist_ok=True)
        return {
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "placeholder",
            # Pulumi reads an empty variable as one that is not set.
            "PULUMI_CONFIG_PASSPHRASE_FILE": "",
        }


def _bring_up(stack: TemporaryStack, settings: StackSettings) -> str:
    if not settings.images.are_built:
        registry = settings.registry.address or "a registry"
        return f"nothing, so that everything is created: its images come from {registry}, which this run does not read"
    try:
        stack.up_quietly()
    except StackError as error:
        raise StackError(f"the base revision cannot be brought up on this engine:\n{error}") from None
    return "the base revision, brought up on the runner's own engine"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
