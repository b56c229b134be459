"""The peers, and what a run has of each: a stack, the sources that it builds, and its state."""

import functools
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker

from benchmarks.site import Site, new_site
from benchmarks.stacks import ComposeStack, Stack, empty_stack, program_stack
from benchmarks.workspace import Workspace, WorkspaceName

REFERENCE = "compose"
"""The peer that ratios refer to."""


@dataclass(frozen=True)
class Peer:
    """One of those that are compared. `new_stack` gets a site, the sources and a directory that it creates."""

    key: str
    title: str
    new_stack: Callable[[Site, Path, Path], Stack]
    has_services: bool = True
    compiles_crates: bool = True
    """Whether it takes part in the cases that compile third-party crates."""


PEERS = {
    peer.key: peer
    for peer in (
        Peer(
            key="gix",
            title="this program",
            new_stack=lambda site, source, directory: program_stack(site, source, directory, {}),
        ),
        Peer(
            key="gix-dev",
            title="this program, as in dev",
            new_stack=lambda site, source, directory: program_stack(site, source, directory, {"lto": "off"}),
        ),
        Peer(key=REFERENCE, title="Docker Compose", new_stack=ComposeStack),
        Peer(
            key="compose-1s",
            title="Docker Compose, health checks every second",
            new_stack=functools.partial(ComposeStack, health_interval="1s"),
            compiles_crates=False,
        ),
        Peer(
            key="empty",
            title="empty Pulumi program",
            new_stack=lambda _site, _source, directory: empty_stack(directory),
            has_services=False,
        ),
    )
}
"""All peers, in the order of the document."""
RATED = [key for key in PEERS if key.startswith("gix")]
"""The peers that the document compares with the reference: the variants of this program."""


@dataclass
class Subject:
    """One peer in a run. `site` holds the names and ports of its `stack`."""

    peer: Peer
    client: docker.DockerClient
    directory: Path
    workspace: Workspace
    site: Site
    stack: Stack
    is_up: bool = False
    is_built: bool = False
    has_own_cache: bool = False
    """Whether the build cache holds nothing of earlier runs that this stack's builds could use."""
    more: list[tuple[Site, Stack]] = field(default_factory=list)
    """Stacks beside the first one."""

    def up(self, *, build: bool = False) -> None:
        """Bring the stack up. `build` says that the sources may have changed."""
        self.stack.up(build=build)
        self.is_up = True
        self.is_built = True
        self.site.note_images()

    def down(self) -> None:
        """Remove containers and network of the stack."""
        self.stack.down()
        self.is_up = False

    def ensure_up(self) -> None:
        """Bring the stack up unless it is."""
        if not self.is_up:
            self.up()

    def ensure_built_and_down(self) -> None:
        """Have all images, and no containers."""
        if not self.is_built:
            self.stack.build()
            self.is_built = True
            self.site.note_images()
        if self.is_up:
            self.down()

    def forget_builds(self) -> None:
        """Make the next build start with an empty cache."""
        self.stack.forget_builds(secrets.token_hex(4))
        self.has_own_cache = True

    def add_stack(self) -> tuple[Site, Stack]:
        """Another stack of this peer, which is not up. Its images are those of the first one."""
        sites = [self.site, *(site for site, _ in self.more)]
        site = new_site(self.client, sites)
        stack = self.peer.new_stack(site, self.workspace.folder, self.directory / site.prefix)
        self.more.append((site, stack))
        self.site.tag_images_for(site)
        return site, stack

    def remove_added_stacks(self) -> None:
        """Remove the stacks of `add_stack` from the engine."""
        while self.more:
            site, _ = self.more[-1]
            site.remove()
            self.more.pop()


@contextmanager
def subjects(client: docker.DockerClient, workspace: WorkspaceName, keys: list[str]) -> Iterator[list[Subject]]:
    """A stack of each peer, not up yet. The end of the block removes everything that they have on the engine."""
    with tempfile.TemporaryDirectory(prefix="gix-benchmark-") as directory, ExitStack() as after:
        made: list[Subject] = []
        for key in keys:
            site = new_site(client, [other.site for other in made])
            after.callback(site.remove)
            folder = Path(directory, key)
            folder.mkdir()
            sources = Workspace(workspace, folder / "workspace")
            stack = PEERS[key].new_stack(site, sources.folder, folder / "stack")
            subject = Subject(PEERS[key], client, folder, sources, site, stack)
            after.callback(subject.remove_added_stacks)
            made.append(subject)
        yield made
