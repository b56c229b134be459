"""Runs cases on all peers in turn."""

from collections.abc import Callable, Iterator, Sequence

import docker

from benchmarks import compose_command, machine
from benchmarks.cases import CASES
from benchmarks.measurements import Measurement, Run
from benchmarks.subjects import PEERS, REFERENCE, subjects
from benchmarks.workspace import WorkspaceName

Listener = Callable[[str, str, Measurement], None]
"""Gets each figure: the letter of the case, the key of the peer, the figure."""


def measure(
    client: docker.DockerClient,
    workspace: WorkspaceName,
    *,
    cases: Sequence[str],
    peers: Sequence[str] = tuple(PEERS),
    repeat: int,
    listener: Listener,
) -> Iterator[Run]:
    """Run each case `repeat` times. In each repetition the peers take turns, so a change of the load meets all of them.

    Yields the figures of each case at its end, so that a later failure loses none.

    Raises BenchmarkError if a command fails or a result is wrong.
    """
    facts = machine.facts(client)
    if any(key.startswith(REFERENCE) for key in peers):
        facts["Docker Compose"] = compose_command.version()
    with subjects(client, workspace, list(peers)) as taking_part:
        for letter, case in CASES.items():
            if letter not in cases:
                continue
            run = Run(workspace, facts, [])
            for _ in range(1 if case.once else repeat):
                for subject in filter(case.includes, taking_part):
                    for figure in case.measure(subject):
                        run.add(letter, subject.peer.key, figure)
                        listener(letter, subject.peer.key, figure)
            yield run
