"""`gixctl audit`: the stack's containers and images, checked against the CIS Docker Benchmark.

It checks everything that carries the stack's label, whoever made it. In Swarm, it does so on each engine in
`gix:engine.nodes`. `--json` prints:

    {"stack": "gix/dev", "score": 87, "passed": 78, "failed": 11, "waived": 7, "not_applicable": 6,
     "missing": [],                          containers of the stack that are not on the engine, or cannot be read
     "results": [
       {"item": "5.11", "title": "limited memory", "level": 1, "subject": "router", "result": "fail",
        "found": "no limit", "fix": "gix:router.memory: e.g. 512MiB"}],
     "not_checked": {"4.4": "gixctl scan finds known vulnerabilities"}}

`result` is pass, fail, waived or not applicable. `found` says what is wrong if the item fails, otherwise why it is
waived or does not apply. The score is the percentage of passed items among those that passed or failed, rounded down:
100 means that no item failed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException
from rich.markup import escape
from rich.table import Table

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_ops import fields, resources, services, swarm
from gix_ops.errors import StackError
from gix_ops.security import cis
from gix_ops.security.cis import Container, Image, Item
from gix_ops.stack import Stack

_SHORTEST_SECRET = 6


class Verdict(StrEnum):
    """The result of an item for one container or image."""

    PASSES = "pass"
    FAILS = "fail"
    WAIVED = "waived"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One item for one container or image."""

    item: str
    title: str
    level: int
    subject: str
    result: Verdict
    found: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The result of an audit."""

    stack: str
    score: int
    passed: int
    failed: int
    waived: int
    not_applicable: int
    missing: tuple[str, ...]
    results: tuple[Result, ...]
    not_checked: Mapping[str, str] = field(default_factory=lambda: dict(cis.NOT_CHECKED))


def audit(stack: Stack) -> Scorecard:
    """Check the stack's containers and images. Raises StackError if the engine or the state cannot be read."""
    client = stack.connect()
    try:
        found, missing = _found_in_swarm(stack, client) if swarm.is_swarm(stack) else _found(stack, client)
        containers, gone = _containers(found)
        images = list(_images(stack, {each.service: each.client for each in found}, client))
    except DockerException as error:
        raise StackError(f"the Docker engine cannot be read: {error}") from error
    return scorecard(stack.label, containers, images, [*missing, *gone])


def scorecard(
    stack: str, containers: Iterable[Container], images: Iterable[Image], missing: Iterable[str] = ()
) -> Scorecard:
    """The scorecard of these containers and images."""
    results = [
        result for container in containers for item in cis.CONTAINER_ITEMS for result in _container(item, container)
    ]
    results += [result for image in images for item in cis.IMAGE_ITEMS for result in _image(item, image)]
    counts = {verdict: sum(each.result is verdict for each in results) for verdict in Verdict}
    passed, failed = counts[Verdict.PASSES], counts[Verdict.FAILS]
    return Scorecard(
        stack=stack,
        score=100 * passed // (passed + failed) if passed else 0,
        passed=passed,
        failed=failed,
        waived=counts[Verdict.WAIVED],
        not_applicable=counts[Verdict.NOT_APPLICABLE],
        missing=tuple(missing),
        results=tuple(sorted(results, key=lambda each: tuple(map(int, each.item.split("."))))),
    )


Subject = TypeVar("Subject", Container, Image)


def _container(item: Item[Container], container: Container) -> Iterator[Result]:
    waiver = next((each for each in cis.WAIVERS if each.item == item.id and each.holds(container)), None)
    # No configuration key changes a container that the stack does not declare.
    fix = item.fix if container.service else "the stack does not declare it: docker rm -f {name}"
    if container.is_edge:
        fix = "set gix:edge.memory, if it is about memory; the program sets everything else of the edge"
    yield _result(item, container, container.service or container.name, fix, waiver.reason if waiver else None)


def _image(item: Item[Image], image: Image) -> Iterator[Result]:
    yield _result(item, image, f"{image.service}'s image", item.fix, None)


def _result(item: Item[Subject], subject: Subject, name: str, fix: str, waiver: str | None) -> Result:
    def result(verdict: Verdict, found: str = "", fix: str = "") -> Result:
        return Result(
            item=item.id,
            title=item.title,
            level=item.level,
            subject=name,
            result=verdict,
            found=found,
            fix=fix.format(service=subject.service, name=subject.name),
        )

    if reason := item.not_for(subject):
        return result(Verdict.NOT_APPLICABLE, reason)
    faults = "; ".join(dict.fromkeys(item.faults(subject)))
    if not faults:
        return result(Verdict.PASSES)
    if waiver:
        return result(Verdict.WAIVED, f"{faults}: {waiver}")
    return result(Verdict.FAILS, faults, fix)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A container that is to be checked, on the engine of `client`. `service` is None if it runs none of the stack."""

    client: docker.DockerClient
    id: str
    name: str
    service: str | None = None
    image: str | None = None
    """The name of its image in the stack. Default: the one that it was created with."""


def _found(stack: Stack, client: docker.DockerClient) -> tuple[list[_Found], list[str]]:
    """The containers of the stack's services and all others with its label; then the names of missing containers."""
    observed = observed_state.observe(client)
    found, missing = [], []
    for service, each in stack.outputs.services.items():
        for name in each.containers:
            here = observed.container(name)
            if here is None:
                missing.append(name)
            else:
                found.append(_Found(client=client, id=here.id, name=here.name, service=service, image=each.image))
    return [*found, *_others(client, observed, stack, {each.id for each in found})], missing


def _others(
    client: docker.DockerClient, observed: ObservedState, stack: Stack, known: Collection[str]
) -> Iterator[_Found]:
    for each in observed.created_by(stack.label).containers:
        # Swarm keeps the containers of ended tasks.
        if each.names and each.id not in known and not each.is_task:
            yield _Found(client=client, id=each.id, name=each.name)


def _found_in_swarm(stack: Stack, client: docker.DockerClient) -> tuple[list[_Found], list[str]]:
    """As `_found`, on the engines in `gix:engine.nodes`. A task whose engine cannot be read is missing."""
    engines, found, missing = swarm.NodeEngines(stack=stack), [], []
    for each in services.read(stack, client):
        there = engines.client(each.node) if each.node and each.found else None
        if there is None:
            missing.append(f"{each.name} on {each.node or 'no node'}")
            continue
        service = None if each.service == services.EDGE else each.service
        found.append(_Found(client=there, id=str(each.found["Id"]), name=each.name, service=service))
    known = {each.id for each in found}
    for node in stack.engine.nodes:
        there = engines.client(node)
        if there is not None:
            found += _others(there, observed_state.observe(there), stack, known)
    return found, missing


def _containers(found: Iterable[_Found]) -> tuple[list[Container], list[str]]:
    """What is checked of the containers, and the names of those of services that have gone meanwhile."""
    containers, gone = [], []
    for each in found:
        record = observed_state.inspect_container(each.client, each.id)
        if record is not None:
            containers.append(
                Container(
                    name=each.name,
                    service=each.service,
                    record=record,
                    processes=_processes(each.client, record),
                    image_now=_image_id(each.client, each.image or record["Config"]["Image"]),
                    guards=_guards(each.client),
                )
            )
        elif each.service:
            gone.append(each.name)
    return containers, gone


def _guards(client: docker.DockerClient) -> frozenset[str]:
    return frozenset(
        part.removeprefix("name=")
        for option in client.info().get("SecurityOptions") or []
        for part in option.split(",")
        if part.startswith("name=")
    )


def _processes(client: docker.DockerClient, record: cis.Record) -> tuple[str, ...] | None:
    if not record["State"]["Running"]:
        return None
    try:
        shown = client.api.top(record["Id"])
    except APIError:
        # The container has stopped since it was inspected.
        return None
    command = shown["Titles"].index("CMD") if "CMD" in shown["Titles"] else -1
    return tuple(process[command] for process in shown["Processes"] or [])


def _images(
    stack: Stack, engines: Mapping[str | None, docker.DockerClient], default: docker.DockerClient
) -> Iterator[Image]:
    """The images of the services, on the engine that runs a container of the service."""
    secrets = secrets_in(each.inputs for each in resources.export(stack).resources)
    for service, each in stack.outputs.services.items():
        client = engines.get(service, default)
        image = observed_state.inspect_image(client, each.digest)
        if image is None:
            continue
        history = tuple(str(step["CreatedBy"]) for step in client.images.get(str(image["Id"])).history())
        yield Image(name=each.image, service=service, record=image, history=history, secrets=secrets)


def secrets_in(inputs: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The secrets in the inputs of resources; of an environment variable also the value alone.

    Secrets shorter than six characters are left out: other text contains them by chance.
    """
    sealed = (text for each in inputs for text in fields.secrets(fields.opened(each)))
    values = (value for text in sealed for value in (text, text.partition("=")[2]))
    return frozenset(value for value in values if len(value) >= _SHORTEST_SECRET)


def _image_id(client: docker.DockerClient, reference: str) -> str | None:
    image = observed_state.inspect_image(client, reference)
    return None if image is None else str(image["Id"])


def summary(card: Scorecard) -> str:
    """The result on one line."""
    missing = f"; not on the engine: {', '.join(card.missing)}" if card.missing else ""
    return (
        f"{card.stack}: score {card.score} of 100; {card.passed} pass, {card.failed} fail, {card.waived} waived, "
        f"{card.not_applicable} not applicable{missing}"
    )


_COLOURS = {Verdict.PASSES: "green", Verdict.FAILS: "red", Verdict.WAIVED: "yellow", Verdict.NOT_APPLICABLE: "dim"}


def table(card: Scorecard) -> Table:
    """The scorecard for a terminal, with one row for all containers and images that have the same result."""
    shown = Table()
    for heading in ("item", "what", "level", "result", "of", "found, or why", "fix"):
        shown.add_column(heading, overflow="fold")
    for _, results in groupby(card.results, key=lambda each: each.item):
        rows: dict[tuple[Verdict, str], list[Result]] = {}
        for each in results:
            rows.setdefault((each.result, each.found), []).append(each)
        for (verdict, found), group in rows.items():
            first = group[0]
            fix = "; ".join(dict.fromkeys(each.fix for each in group if each.fix))
            cells = (", ".join(dict.fromkeys(each.subject for each in group)), found, fix)
            result = f"[{_COLOURS[verdict]}]{verdict}[/{_COLOURS[verdict]}]"
            shown.add_row(first.item, first.title, str(first.level), result, *map(escape, cells))
    return shown
