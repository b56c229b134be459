"""The doctor's check of the certificate that the edge serves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from docker.errors import DockerException
from docker.models.containers import Container

from gix_engine import haproxy_runtime
from gix_engine.haproxy_runtime import LoadedFile
from gix_ops import swarm
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, one_line, skipped, warning
from gix_ops.errors import StackError

WARN_BEFORE = timedelta(days=30)
"""How long before the end of a certificate there is a warning."""

_NAMES = {
    "cert": ("the certificate of the edge", "gix:edge.certificate and gix:edge.key"),
    "ca-file": ("a certificate of the authorities of the clients", "gix:edge.clientCa"),
}


def certificate(facts: Facts) -> Iterator[Finding]:
    """When the certificates end that the running edge serves and checks its clients by."""
    name = facts.up.outputs.edge
    if name is None:
        yield ok("there is no edge that serves one: gix:rollout.strategy is not start-first")
        return
    try:
        loaded = haproxy_runtime.loaded_files(_edge(facts, name))
    except DockerException as error:
        yield skipped(f"the edge {name} does not say what it serves: {one_line(error)}")
        return
    if not loaded:
        yield ok("the edge serves no certificate: gix:edge.certificate is not set")
    for file in loaded:
        yield from _findings(file, datetime.now(UTC))


def _edge(facts: Facts, name: str) -> Container:
    """The container of the edge; in Swarm, the first one that runs on a node whose engine answers.

    Raises StackError if no such engine answers.
    """
    if facts.engine_settings.mode != "swarm":
        return facts.client.containers.get(name)
    engines, service = swarm.NodeEngines(stack=facts.up), facts.swarm.service(name)
    for task in () if service is None else service.current:
        client = engines.client(task.node) if task.serves else None
        if client is not None:
            return client.containers.get(task.container)
    raise StackError("no edge runs on a node whose engine answers at its address in gix:engine.nodes")


def _findings(file: LoadedFile, now: datetime) -> Iterator[Finding]:
    what, keys = _NAMES[file.kind]
    ends = min(file.ends)
    fix = f"set {keys} to a renewed one, or renew the files that they name, then: pulumi up"
    if ends <= now:
        yield fault(f"{what} ended on {ends:%Y-%m-%d %H:%M} UTC", fix)
    elif ends - now <= WARN_BEFORE:
        days = (ends - now).days
        left = "in less than a day" if not days else f"in {days} day{'s' * (days > 1)}"
        yield warning(f"{what} ends {left}, on {ends:%Y-%m-%d %H:%M} UTC", fix)
    else:
        yield ok(f"{what} is valid until {ends:%Y-%m-%d %H:%M} UTC")
