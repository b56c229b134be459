"""The logs of services in Swarm, which the manager gets from the nodes.

The lines so far are read task by task, because only the lines of one task are in order. New lines are read from the
service, whose log goes on with tasks that Swarm starts meanwhile.
"""

import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import docker

from gix_engine.observed_state import TASK_LABEL
from gix_engine.swarm_state import WANTED, SwarmService, Task
from gix_ops import log_stream, services, swarm
from gix_ops.errors import StackError
from gix_ops.log_stream import HEARTBEAT_SECONDS, Line, Progress, UnreadableLogError
from gix_ops.services import Named
from gix_ops.stack import Stack

_CLOCKS_DIFFER_SECONDS = 60
"""Largest difference between the clocks of nodes for which no line is lost between two readings."""


@dataclass(kw_only=True)
class SwarmLog:
    """The log of a service with all of its tasks, also ended ones that Swarm keeps.

    Lines before `since`, in seconds since 1970, are left out. Of each task, the first reading returns at most the last
    `tail` lines. No line is read twice.
    """

    client: docker.DockerClient
    service: Named
    name: str
    """The service's name in Swarm."""
    found: SwarmService | None
    """The service; None if the Swarm does not have it."""
    now: float
    """The manager's time when the log begins to be read, in seconds since 1970."""
    since: float | None = None
    tail: int | None = None
    _begun: float = field(default_factory=time.monotonic, init=False)
    _titles: dict[str, str] = field(default_factory=dict, init=False)
    _progress: dict[str, Progress] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._learn(self.found)

    @property
    def titles(self) -> Sequence[str]:
        """The service, with the number of the task if it has several."""
        return [*dict.fromkeys(self._titles.values())] or [self.service]

    def readings(self) -> Sequence[Callable[[], Iterator[Line]]]:
        """One for each task that has, or had, a container; or one that says that the service is missing."""
        if self.found is None:
            return [self._missing]
        return [functools.partial(self._read, task) for task in self.found.tasks if task.container]

    def follow(self, put: Callable[[Line | StackError], None]) -> None:
        """Follow all tasks, and those that Swarm starts meanwhile."""
        since, readable = self.now, True
        try:
            while True:
                try:
                    for line in self._follow(since):
                        readable = True
                        put(line)
                except UnreadableLogError as error:
                    if readable:
                        put(error)
                    readable = False
                since = self.now + time.monotonic() - self._begun
                time.sleep(HEARTBEAT_SECONDS)
        except StackError as error:
            put(error)

    def _learn(self, found: SwarmService | None) -> None:
        for task, title in ({} if found is None else titles(self.service, found)).items():
            self._titles.setdefault(task, title)

    def _title(self, task: str) -> str:
        if task not in self._titles:
            self._learn(swarm.observe(self.client).service(self.name))
        return self._titles.setdefault(task, self.service)

    def _seen(self, task: str) -> Progress:
        return self._progress.setdefault(task, Progress(since=self.since))

    def _missing(self) -> Iterator[Line]:
        raise UnreadableLogError(self._is_missing)

    @property
    def _is_missing(self) -> str:
        return f"the {self.service}'s service {self.name} is missing; to create it again: pulumi up --refresh"

    def _read(self, task: Task) -> Iterator[Line]:
        question: dict[str, str | int] = {"follow": 0, "tail": "all" if self.tail is None else self.tail}
        if self.since is not None:
            question["since"] = int(self.since)
        title = self._title(task.id)
        try:
            response = log_stream.request(
                self.client,
                f"tasks/{task.id}/logs",
                question,
                service=title,
                missing=f"the {title}'s task {task.id} is missing",
            )
        except UnreadableLogError:
            if task.wanted in WANTED:
                raise
            # Swarm forgets ended tasks after some time.
            return
        yield from filter(self._seen(task.id).reader(), log_stream.lines(title, response))

    def _follow(self, since: float) -> Iterator[Line]:
        question = {"follow": 1, "details": 1, "since": int(since - _CLOCKS_DIFFER_SECONDS)}
        response = log_stream.request(
            self.client, f"services/{self.name}/logs", question, service=self.service, missing=self._is_missing
        )
        readers: dict[str, Callable[[Line], bool]] = {}
        for details, line in log_stream.detailed_lines(self.service, response):
            task = dict(parse_qsl(details.replace(",", "&"))).get(TASK_LABEL, "")
            if task not in readers:
                readers[task] = self._seen(task).reader()
            if readers[task](line):
                yield Line(time=line.time, service=self._title(task), stream=line.stream, line=line.line)


def sources(
    stack: Stack,
    client: docker.DockerClient,
    wanted: Collection[Named],
    *,
    now: float,
    since: float | None,
    tail: int | None,
) -> list[SwarmLog]:
    """The logs of the `wanted` services; see SwarmLog. Raises StackError if the manager does not answer."""
    observed = swarm.observe(client)
    names = {service: swarm.service_name(stack, service) or service for service in wanted}
    return [
        SwarmLog(
            client=client,
            service=service,
            name=name,
            found=observed.service(name),
            now=now,
            since=since,
            tail=tail,
        )
        for service, name in names.items()
    ]


def titles(service: Named, found: SwarmService) -> dict[str, str]:
    """The service, with the number of the task if it has several, by the task's id."""
    places = sorted({each.node for each in found.tasks if each.slot is None})
    numbers = {each.id: each.slot or places.index(each.node) + 1 for each in found.tasks}
    several = found.wanted > 1 or len(set(numbers.values())) > 1
    return {task: services.title(service, number if several else None) for task, number in numbers.items()}
