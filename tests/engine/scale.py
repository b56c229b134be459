"""Measures what the tasks of a Swarm of three nodes cost on this machine: `python -m tests.engine.scale --write`.

It writes the table in docs/scale.md. It needs root and a quiet machine, and takes about five minutes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.cluster import Cluster, running_cluster
from tests.support.stack_under_test import PROGRAM, StackUnderTest
from tests.support.swarm_stack import new_stack, provide_images

DOCUMENT = PROGRAM / "docs" / "scale.md"
TASKS = (1, 10, 100)
"""Numbers of enclaves on three nodes."""
HEALTH_CHECK = {"interval": "30s", "timeout": "10s", "startPeriod": "60s", "retries": 3}
_ENGINE = ("dockerd", "containerd")
_MIB = 2**20
_REST_SECONDS = 30
"""How long the processor time at rest is measured: one health check of each task."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One size: times in seconds, memory in MiB."""

    size: int
    up: float
    no_change: float
    preview: float
    manager: float
    """Memory of the engine of the manager that no other process shares."""
    worker: float
    """The same of a worker, on average."""
    task: float
    """Memory of the processes of a task and its shim, on average over all tasks, those of the edge included."""
    engines_busy: float
    """Processors that all engines keep busy while nobody sends requests: health checks, and what Swarm tells itself."""
    tasks_busy: float
    """The same of all tasks: the checks of the edges."""


def measured_tasks() -> Iterator[Measured]:
    """More and more enclaves on three nodes. `up` is the time from the size before to this one."""
    with running_cluster() as cluster, tempfile.TemporaryDirectory() as directory:
        stack = new_stack(cluster, Path(directory) / "gix", provide_images(cluster))
        stack.change(defaults={"healthCheck": HEALTH_CHECK})
        stack.up()
        for count in TASKS:
            stack.change(enclave={"replicas": count})
            yield measured(cluster, stack, count)


def measured(cluster: Cluster, stack: StackUnderTest, size: int) -> Measured:
    """Bring the stack up and measure it."""
    up, no_change, preview = seconds(stack.up), seconds(stack.up), seconds(stack.preview)
    processes = {node.name: cluster.processes(node) for node in cluster.nodes}
    engines = {name: [each for each in found if each.name() in _ENGINE] for name, found in processes.items()}
    others = [each for found in processes.values() for each in found if each.name() not in _ENGINE]
    tasks = sum(len(node.client.containers.list()) for node in cluster.nodes)
    before, begun = busy(engines, others), time.monotonic()
    time.sleep(_REST_SECONDS)
    after, passed = busy(engines, others), time.monotonic() - begun
    used = {name: sum(map(memory, found)) for name, found in engines.items()}
    workers = [used[each.name] for each in cluster.workers]
    return Measured(
        size=size,
        up=up,
        no_change=no_change,
        preview=preview,
        manager=used[cluster.manager.name],
        worker=sum(workers) / len(workers),
        task=sum(map(memory, others)) / tasks,
        engines_busy=(after[0] - before[0]) / passed,
        tasks_busy=(after[1] - before[1]) / passed,
    )


def busy(engines: Mapping[str, Sequence[psutil.Process]], others: Sequence[psutil.Process]) -> tuple[float, float]:
    """The processor time of the engines, with what they have started and waited for, and of the other processes."""
    return sum(processor(each) for found in engines.values() for each in found), sum(map(processor, others))


def processor(process: psutil.Process) -> float:
    """The processor time of a process and of its children that have ended, in seconds. 0 if it has ended itself."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def memory(process: psutil.Process) -> float:
    """Resident memory that no other process shares, in MiB. 0 if the process has ended."""
    try:
        return float(process.memory_full_info().uss) / _MIB
    except psutil.NoSuchProcess:
        return 0.0


def table(rows: Sequence[Measured]) -> str:
    """A table in Markdown."""
    lines = [
        "| enclaves | `pulumi up` | no change | preview | manager | worker | task | engines at rest | tasks at rest |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row.size} | {row.up:.1f} s | {row.no_change:.1f} s | {row.preview:.1f} s | {row.manager:.0f} MiB "
            f"| {row.worker:.0f} MiB | {row.task:.0f} MiB | {row.engines_busy:.2f} | {row.tasks_busy:.2f} |"
            for row in rows
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    write = parser.parse_args().write
    content = table(list(measured_tasks()))
    sys.stdout.write(f"{content}\n")
    if write:
        before, begin, rest = DOCUMENT.read_text().partition("<!-- measured -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        DOCUMENT.write_text(before + begin + content + end + after)


if __name__ == "__main__":
    main()
