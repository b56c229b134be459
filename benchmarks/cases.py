"""The cases of the benchmark: what is prepared, what is measured, and what must hold afterwards."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks import jobs
from benchmarks.availability import Prober, probed
from benchmarks.commands import BenchmarkError, at_the_same_time, peak_memory, seconds
from benchmarks.measurements import BYTES, SECONDS, Measurement
from benchmarks.subjects import Subject
from gix_model.catalog import CATALOG, ServiceName

_STACKS = (1, 5, 20)
"""How many stacks run side by side in case k."""
_LOG_DEADLINE = 5
"""Seconds until a line of a container that runs must be in its log."""


@dataclass(frozen=True)
class Case:
    """One case. `measure` prepares a peer, measures it, and raises BenchmarkError if the result is wrong."""

    title: str
    measure: Callable[[Subject], Iterator[Measurement]]
    has_floor: bool = False
    """Whether the empty Pulumi program takes part."""
    compiles: bool = False
    """Whether third-party crates are compiled, which takes minutes."""
    once: bool = False
    """Whether one measurement is enough."""
    sends_jobs: bool = False
    """Whether the services must be those of the sample."""

    def includes(self, subject: Subject) -> bool:
        """Whether a peer takes part."""
        if not subject.peer.has_services:
            return self.has_floor
        if self.sends_jobs and subject.workspace.name != "sample":
            return False
        return subject.peer.compiles_crates or not self.compiles


def _cold(subject: Subject) -> Iterator[Measurement]:
    if subject.is_up:
        subject.down()
    subject.forget_builds()
    yield Measurement("empty build cache to healthy", SECONDS, seconds(lambda: subject.up(build=True)))
    _require_healthy(subject)


def _up(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_built_and_down()
    yield Measurement("images built to healthy", SECONDS, seconds(subject.up))
    _require_healthy(subject)


def _unchanged(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    before = _container_ids(subject)
    yield Measurement("nothing changed", SECONDS, seconds(subject.up))
    if _container_ids(subject) != before:
        raise BenchmarkError(f"{subject.peer.title} replaced a container although nothing changed")


def _edit(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    token = secrets.token_hex(8)
    subject.workspace.edit(token)
    with probed(subject.site.ports) as probers:
        yield Measurement("one line edited, to healthy", SECONDS, seconds(lambda: subject.up(build=True)))
    _require_healthy(subject)
    _require_line(subject, token)
    yield from _gaps(probers, "edit")


def _dependency(subject: Subject) -> Iterator[Measurement]:
    if not subject.has_own_cache:
        subject.forget_builds()
        subject.up(build=True)
    subject.ensure_up()
    subject.workspace.add_dependency()
    yield Measurement("dependency added, to healthy", SECONDS, seconds(lambda: subject.up(build=True)))
    _require_healthy(subject)


def _variable(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    value = secrets.token_hex(8)
    subject.stack.set_variable(value)
    with probed(subject.site.ports) as probers:
        yield Measurement("environment variable changed, to healthy", SECONDS, seconds(subject.up))
    _require_healthy(subject)
    if f"BENCHMARK={value}" not in subject.site.container("router").attrs["Config"]["Env"]:
        raise BenchmarkError(f"{subject.peer.title} did not change the environment variable of the router")
    yield from _gaps(probers, "variable")


def _down(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    yield Measurement("down", SECONDS, seconds(subject.down))
    if left := subject.site.containers():
        raise BenchmarkError(f"{subject.peer.title} left {', '.join(left)}")


def _preview(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    yield Measurement("preview", SECONDS, seconds(subject.stack.preview))


def _sizes(subject: Subject) -> Iterator[Measurement]:
    if not subject.is_built:
        subject.up()
    for service in CATALOG:
        yield Measurement(f"image of {service}", BYTES, subject.site.image_size(service))


def _many(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_built_and_down()
    for count in _STACKS:
        yield from side_by_side(subject, count)


def side_by_side(subject: Subject, count: int) -> Iterator[Measurement]:
    """Bring `count` stacks up at the same time, then bring them up again without a change."""
    try:
        stacks = [subject.add_stack() for _ in range(count)]
        ups = [stack.up for _, stack in stacks]
        with peak_memory() as memory:
            yield Measurement(f"{count} side by side: up", SECONDS, seconds(lambda: at_the_same_time(ups)))
        yield Measurement(f"{count} side by side: memory of up", BYTES, memory.bytes)
        yield Measurement(f"{count} side by side: nothing changed", SECONDS, seconds(lambda: at_the_same_time(ups)))
    finally:
        subject.remove_added_stacks()


def _jobs(subject: Subject) -> Iterator[Measurement]:
    subject.ensure_up()
    for service, processor in jobs.processor_seconds(subject.site):
        yield Measurement(f"processor time of {service} for {jobs.JOBS} jobs", SECONDS, processor)


CASES: Mapping[str, Case] = {
    "a": Case("cold: the build cache is empty", _cold, compiles=True),
    "b": Case("images built, to three healthy services", _up, has_floor=True),
    "c": Case("nothing changed", _unchanged, has_floor=True),
    "d": Case("one line edited in the router; how long each service was unreachable", _edit),
    "e": Case("a third-party crate added to the router", _dependency, compiles=True),
    "f": Case("an environment variable of the router changed; how long each service was unreachable", _variable),
    "h": Case("preview without a change", _preview, has_floor=True),
    "g": Case("down", _down, has_floor=True),
    "j": Case("image sizes", _sizes, once=True),
    "k": Case("1, 5 and 20 stacks side by side", _many, once=True),
    "l": Case("processor time of the services", _jobs, sends_jobs=True),
}
"""All cases by letter, in the order in which they run. Case i, availability, is measured in d and f."""


def _gaps(probers: Mapping[ServiceName, Prober], change: str) -> Iterator[Measurement]:
    for service, prober in probers.items():
        yield Measurement(f"{service} unreachable, {change}", SECONDS, prober.longest_gap)


def _container_ids(subject: Subject) -> list[str]:
    return sorted(str(container.id) for container in subject.site.containers().values())


def _require_healthy(subject: Subject) -> None:
    containers = subject.site.containers()
    if subject.peer.has_services and len(containers) != len(CATALOG):
        raise BenchmarkError(f"{subject.peer.title} has {len(containers)} containers, not {len(CATALOG)}")
    for name, container in containers.items():
        if (status := container.attrs["State"].get("Health", {}).get("Status")) != "healthy":
            raise BenchmarkError(f"{subject.peer.title}: {name} is {status} after its command has ended")


def _require_line(subject: Subject, token: str) -> None:
    """The new line is in the router's log: what runs is what was edited last."""
    deadline = time.monotonic() + _LOG_DEADLINE
    while token.encode() not in subject.site.container("router").logs():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{subject.peer.title} runs a stale router: its log does not have the edited line")
        time.sleep(0.1)
