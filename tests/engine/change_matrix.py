"""The change matrix: every input of every resource that the program sets, changed and removed, on the real engine.

`python -m tests.engine.change_matrix --write` runs it and writes docs/change-matrix.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.engine import change_matrix_trials as trials
from tests.engine.change_matrix_site import edited_source, new_site
from tests.engine.change_matrix_trials import ENCLAVE, INIT, MAX_RETRY_COUNT, MEMORY, MEMORY_SWAP, RESTART, TMPFS
from tests.engine.changes import Act, Cell, Outcome, put, recorded, run, run_refused
from tests.support import built_images
from tests.support.stack_under_test import PROGRAM, StackUnderTest, free_ports

DOCUMENT = PROGRAM / "docs/change-matrix.md"


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """An input that no configuration key changes."""

    resource: str
    input: str
    why: str


FIXED = [
    Fixed(resource="Container", input="command", why="the service's binary"),
    Fixed(resource="Container", input="workingDir", why="`/`"),
    Fixed(resource="Container", input="hostname", why="the name by which the others reach it"),
    Fixed(resource="Container", input="sysctls", why="when the kernel gives up a connection of the edge"),
    Fixed(resource="Container", input="mustRun", why="true"),
    Fixed(resource="Container", input="wait", why="true"),
    Fixed(resource="Network", input="driver", why="`bridge`"),
    Fixed(resource="Volume", input="labels", why="the stack's own, and a difference is ignored"),
    Fixed(resource="RemoteImage", input="keepLocally", why="true"),
]
"""Inputs that no key changes, each with the reason or the fixed value."""


@dataclass
class Matrix:
    """The outcomes of all cells that were tried."""

    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, stack: StackUnderTest, title: str, cells: Sequence[Cell], **also: Any) -> None:
        """Apply `cells` in one update."""
        with _timed(f"{title}: {len(cells)} cells"):
            self.outcomes += run(stack, cells, **also)

    @property
    def wrong(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.faults]

    def complaints(self) -> str:
        """The wrong cells, one per line, with every fault."""
        return "\n".join(
            f"{each.cell.resource}.{each.cell.input}, {each.cell.act} by gix:{each.cell.key}: {'; '.join(each.faults)}"
            for each in self.wrong
        )

    def table(self) -> str:
        """All cells as Markdown, a table for each type of resource."""
        sections = []
        for resource in ("Container", "Network", "Volume", "Image", "RemoteImage", "Provider"):
            rows = [
                f"## {resource}",
                "",
                "| input | act | by the key | preview says | what happens | then |",
                "|---|---|---|---|---|---|",
            ]
            mine = [each for each in self.outcomes if each.cell.resource == resource]
            rows += [
                f"| `{each.cell.input}` | {each.cell.act} | `gix:{each.cell.key}` | {each.said} | {each.happened} "
                f"| {'**wrong**' if each.faults else each.then} |"
                for each in sorted(mine, key=lambda each: (each.cell.input, each.cell.act, each.cell.key))
            ]
            rows += [
                f"| `{each.input}` | - | fixed by the program: {each.why} | - | - | - |"
                for each in FIXED
                if each.resource == resource
            ]
            sections.append("\n".join(rows) + "\n")
        return "\n".join(sections)

    def document(self) -> str:
        """The text of docs/change-matrix.md."""
        return f"{_INTRODUCTION}\n{self.table()}"


_INTRODUCTION = """\
# Change matrix

What happens when an input of a resource is changed in the stack file, or removed from it. The table has every input
that the program sets. For the container of the edge, it has those that keys of their own change. Behind an edge,
another number of `replicas` changes no input: it adds or removes containers (`tests/engine/test_edge.py`).

`python -m tests.engine.change_matrix --write` writes this file from a run on a real engine.
`tests/engine/test_change_matrix.py` repeats the run, and fails if a cell is wrong or this file is outdated.

- **preview says**: what `pulumi preview --json` shows for this input, and what else is replaced with it.
- **what happens**: what `docker inspect` shows before and after `pulumi up`. *changed live*: not even restarted.
- **in force, clean**: the engine has the new value; a further `up` and an `up --refresh` change nothing.

Inputs that are applied live, or that the provider would record and not apply, are changed one at a time. Some of the
other inputs share an update, and are told apart by the reasons that Pulumi gives for each input. For a provider, and
for a container that is replaced with its network, Pulumi gives no reasons, and the old and new inputs are compared. A
preview does not build: it shows a replacement wherever the image may change, and `up` keeps the container if it does
not.
"""


def whole(client: docker.DockerClient, directory: Path) -> Matrix:
    """Run the whole matrix in `directory` and print the duration of each step."""
    matrix = Matrix()
    with new_site(client, directory) as (stack, site):
        router, auction = trials.router(site), trials.auction(site)
        for key, value in trials.beginning(site).items():
            put(stack.config, key, value)
        stack.change(ledger={"protect": True})
        with _timed("the first up"):
            stack.up()
        trials.mark(stack)
        with _timed("a protected volume"):
            matrix.outcomes.append(run_refused(stack, trials.protected_volume(site)))

        live = [RESTART, MAX_RETRY_COUNT, MEMORY_SWAP]
        steps = [
            [INIT.change(), TMPFS.change(), MEMORY.change(), *(each.change() for each in live)],
            [INIT.remove(), TMPFS.remove(), *(each.remove() for each in live)],
            [*(each.change() for each in [*trials.health_check("router"), *auction]), MEMORY.remove()],
            [
                *(each.remove() for each in trials.health_check("auction")),
                *(each.change() for each in router + ENCLAVE),
            ],
            [each.remove() for each in router + auction + ENCLAVE],
        ]
        for number, cells in enumerate(steps, start=1):
            # A later step changes the name of the volume, which protection would refuse.
            matrix.run(stack, f"containers, {number} of {len(steps)}", cells, ledger={"protect": False})
        matrix.run(stack, "network", trials.networks(Act.CHANGE, site))
        matrix.run(stack, "names", trials.names(Act.CHANGE, site))

        edited_source(stack)
        matrix.run(stack, "images and provider", trials.image_changes(site))
        digest = str(recorded(stack)["gix-images-router-image"]["outputs"]["repoDigest"]).partition("@")[2]
        removals = trials.networks(Act.REMOVE, site) + trials.names(Act.REMOVE, site) + trials.image_removals(site)
        matrix.run(stack, "network, names, images and provider, removed", removals)

        stack.change(services=["router"], images={"way": "registry", "tag": "v1"}, registry=site.log_in())
        with _timed("from images that are built to images that are pulled"):
            stack.up()
        matrix.run(stack, "a pulled image", [trials.digest(Act.CHANGE, digest)])
        matrix.run(stack, "a pulled image, removed", [trials.digest(Act.REMOVE, None)])

        stack.change(rollout={"strategy": "start-first", "trial": True}, edge={"memory": "64MiB"})
        with _timed("from published ports to an edge"):
            stack.up()
        image = trials.other_edge_image(stack, f"{site.prefixes[0]}-edge:1.0")
        first, second = free_ports(2)
        matrix.run(stack, "edge, live", [trials.edge_live()])
        matrix.run(stack, "edge", trials.edge_changes(image, (first, second)))
        matrix.run(stack, "edge, removed", trials.edge_removals())
    return matrix


@contextmanager
def _timed(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    sys.stdout.write(f"{time.monotonic() - begun:5.1f} s  {what}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the matrix. With --write, write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.relative_to(PROGRAM)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        matrix = whole(docker.from_env(), Path(directory))
        built_images.remove(docker.from_env())
    sys.stdout.write(matrix.table())
    if matrix.wrong:
        sys.exit(matrix.complaints())
    if arguments.write:
        DOCUMENT.write_text(matrix.document())


if __name__ == "__main__":
    main()
