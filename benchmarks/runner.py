"""Runs cases on all peers in turn."""

from collections.abc import Callable, Sequence

import docker

from benchmarks import machine
from benchmarks.cases import CASES
from benchmarks.measurements import Measurement, Run
from benchmarks.subjects import PEERS, subjects
from benchmarks.workspace import WorkspaceName

Listener = Callable[[str, str, Measurement], None]
"""Is told of each figure: the letter of the case, the key of the peer, the figure."""


def measure(
    client: docker.DockerClient,
    workspace: WorkspaceName,
    *,
    cases: Sequence[str],
    peers: Sequence[str] = tuple(PEERS),
    repeat: int,
    listener: Listener = lambda _case, _peer, _figure: None,
) -> Run:
    """Run each case `repeat` times. In each repetition the peers take turns, so a change of the load meets all of them.

    Raises BenchmarkError if a command fails or a result is wrong.
    """
    run = Run(workspace, machine.facts(client), [])
    with subjects(client, workspace, list(peers)) as taking_part:
        for letter, case in CASES.items():
            if letter not in cases:
                continue
            for _ in range(1 if case.once else repeat):
                for subject in filter(case.includes, taking_part):
                    for figure in case.measure(subject):
                        run.add(letter, subject.peer.key, figure)
                        listener(letter, subject.peer.key, figure)
    return run
