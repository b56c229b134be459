"""Trials of successors: services that fail in them, and what an update says and leaves."""

from collections.abc import Callable

from gix_model.catalog import CATALOG, ServiceName
from tests.support.failures import failure
from tests.support.jobs import ledger, settle
from tests.support.stack_under_test import SERVICES, StackUnderTest

EXITS_AT_ONCE = 'eprintln!("out of order"); if true { return ExitCode::from(3); }'
NEVER_HEALTHY = "loop { std::thread::park(); }"
HEALTHY_ONCE = (
    'let first = std::net::TcpListener::bind("0.0.0.0:50051").and_then(|port| port.accept());'
    "if first.is_ok() { return ExitCode::from(4); }"
)
"""Code at the start of a service's `main`."""


def tried(output: str) -> set[str]:
    """The services whose successors an update tried."""
    return {service for service in SERVICES if f"trying the new {service} beside" in output}


def nothing_is_left(stack: StackUnderTest) -> bool:
    """Whether the stack has only the containers that serve."""
    label = f"io.gix.stack=gix/{stack.name}"
    return len(stack.client.containers.list(all=True, filters={"label": label})) == len(SERVICES)


def refused(stack: StackUnderTest, service: str) -> str:
    """What an update says that fails in the trial of `service`. The containers that serve are the same afterwards."""
    before, lines = stack.ids(), ledger(stack)
    message = failure(stack)
    assert f"the trial of the new {service} failed" in message
    assert f"gix-{service} was not replaced and still serves" in " ".join(message.split())
    assert stack.ids() == before
    assert ledger(stack) == lines
    assert nothing_is_left(stack)
    settle(stack, jobs=1)
    return message


def broken(stack: StackUnderTest, service: ServiceName, ends: str = EXITS_AT_ONCE) -> Callable[[], object]:
    """Let the next image of `service` start with the code `ends`. The function that is returned undoes it."""
    source = stack.directory / f"sample/crates/{CATALOG[service].binary}/src/main.rs"
    good = source.read_text()
    source.write_text(good.replace("fn main() -> ExitCode {", f"fn main() -> ExitCode {{ {ends}"))
    return lambda: source.write_text(good)
