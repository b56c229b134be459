"""`gixctl audit`: the stack's containers and images held against the CIS Docker Benchmark.

Everything that bears the stack's label is looked at, whoever made it. With `--json`:

    {"stack": "gix/dev", "score": 87, "passed": 78, "failed": 11, "waived": 7, "not_applicable": 6,
     "missing": [],                          containers of the stack that are not on the engine
     "results": [
       {"item": "5.11", "title": "limited memory", "level": 1, "subject": "router", "result": "fail",
        "found": "no limit", "fix": "gix:router.memory: e.g. 512MiB"}],
     "not_checked": {"4.4": "gixctl scan finds known vulnerabilities"}}

`result` is pass, fail, waived or not applicable; `found` says what of a fail, and why of the last two. The score is
what passed of all that passed or failed, in per cent, rounded down: 100 means that nothing failed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from rich.markup import escape
from rich.table import Table

from gix_model.environment import STACK_LABEL
from gix_ops import fields, resources
from gix_ops.errors import StackError
from gix_ops.security import cis
from gix_ops.security.cis import Container, Image, Item
from gix_ops.stack import Stack

_SHORTEST_SECRET = 6


class Verdict(StrEnum):
    """What came of an item for one container or image."""

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
    """What came of an audit."""

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
    """Look at the stack's containers and images; raises StackError where the engine or the state can't be read."""
    client = stack.connect()
    try:
        containers, missing = _containers(stack, client)
        images = list(_images(stack, client))
    except DockerException as error:
        raise StackError(f"the Docker engine can't be read: {error}") from error
    return scorecard(stack.label, containers, images, missing)


def scorecard(
    stack: str, containers: Iterable[Container], images: Iterable[Image], missing: Iterable[str] = ()
) -> Scorecard:
    """The scorecard of what was found on the engine."""
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
    # No key of the stack changes what is not the stack's.
    fix = item.fix if container.service else "it is no service of the stack: docker rm -f {name}"
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


def _containers(stack: Stack, client: docker.DockerClient) -> tuple[list[Container], list[str]]:
    """The stack's containers by their names, and all others that bear its label; then those that are not there."""
    guards = frozenset(
        part.removeprefix("name=")
        for option in client.info().get("SecurityOptions") or []
        for part in option.split(",")
        if part.startswith("name=")
    )
    services = {each.container: service for service, each in stack.outputs.services.items()}
    labelled = client.api.containers(all=True, filters={"label": f"{STACK_LABEL}={stack.label}"})
    names = dict.fromkeys([*services, *(each["Names"][0].removeprefix("/") for each in labelled if each["Names"])])
    found, missing = [], []
    for name in names:
        try:
            record = client.api.inspect_container(name)
        except NotFound:
            if name in services:
                missing.append(name)
            continue
        service = services.get(name)
        reference = stack.outputs.services[service].image if service else record["Config"]["Image"]
        found.append(
            Container(
                name=name,
                service=service,
                record=record,
                processes=_processes(client, record),
                image_now=_image_id(client, reference),
                guards=guards,
            )
        )
    return found, missing


def _processes(client: docker.DockerClient, record: cis.Record) -> tuple[str, ...] | None:
    if not record["State"]["Running"]:
        return None
    try:
        shown = client.api.top(record["Id"])
    except APIError:
        # It ended meanwhile.
        return None
    command = shown["Titles"].index("CMD") if "CMD" in shown["Titles"] else -1
    return tuple(process[command] for process in shown["Processes"] or [])


def _images(stack: Stack, client: docker.DockerClient) -> Iterator[Image]:
    secrets = secrets_in(each.inputs for each in resources.export(stack).resources)
    for service, each in stack.outputs.services.items():
        try:
            image = client.images.get(each.digest)
        except ImageNotFound:
            continue
        history = tuple(str(step["CreatedBy"]) for step in image.history())
        yield Image(name=each.image, service=service, record=image.attrs, history=history, secrets=secrets)


def secrets_in(inputs: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The secrets in resources' inputs as a state has them, of a variable the value.

    Those shorter than six characters are left out: they are found by chance.
    """
    sealed = (text for each in inputs for text in fields.secrets(fields.opened(each)))
    values = (value for text in sealed for value in (text, text.partition("=")[2]))
    return frozenset(value for value in values if len(value) >= _SHORTEST_SECRET)


def _image_id(client: docker.DockerClient, reference: str) -> str | None:
    try:
        return str(client.images.get(reference).id)
    except ImageNotFound:
        return None


def summary(card: Scorecard) -> str:
    """What came of it, in a line."""
    missing = f"; not on the engine: {', '.join(card.missing)}" if card.missing else ""
    return (
        f"{card.stack}: score {card.score} of 100; {card.passed} pass, {card.failed} fail, {card.waived} waived, "
        f"{card.not_applicable} not applicable{missing}"
    )


_COLOURS = {Verdict.PASSES: "green", Verdict.FAILS: "red", Verdict.WAIVED: "yellow", Verdict.NOT_APPLICABLE: "dim"}


def table(card: Scorecard) -> Table:
    """The scorecard for a terminal: a row for all containers and images of which an item says the same."""
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
