"""One interrupt ends an update in good order."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.programs import HEALTHCHECK, container, image
from tests.plugin.sandbox import Sandbox
from tests.plugin.scenario import Outcome, Program, Scenario

_DEADLINE_SECONDS = 120.0


def commands() -> Iterator[tuple[int, str]]:
    """Every process of the machine, with its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def interrupted_up(
    scenario: Scenario, program: Program, *, once: Callable[[], bool], by: signal.Signals = signal.SIGINT
) -> Outcome:
    """Send one signal to the CLI as soon as `once` holds."""
    outcomes: list[Outcome] = []
    update = threading.Thread(target=lambda: outcomes.append(scenario.up(program)))
    update.start()
    wait_for("the moment to interrupt", once)
    for pid, command in commands():
        if "pulumi" in command and " up " in command and Path(f"/proc/{pid}/cwd").resolve() == scenario.directory:
            os.kill(pid, by)
    update.join(_DEADLINE_SECONDS)
    return outcomes[0]


def test_an_interrupted_build_leaves_no_process_and_a_valid_state(scenario: Scenario, sandbox: Sandbox) -> None:
    tag = sandbox.name("img")

    def building() -> bool:
        return any(tag in command for _, command in commands())

    def running() -> bool:
        return bool(sandbox.client.api.containers(filters={"name": sandbox.prefix})) or building()

    def program(extra: str) -> None:
        sandbox.write_image(scenario.directory / "app", content=str(time.time()), extra=extra)
        image("img", tag, build={"context": str(scenario.directory / "app")})

    # The shell of a step is a process of this machine, whichever plugin sends the build.
    interrupted = interrupted_up(scenario, lambda: program(f"RUN sleep 4; : {tag}"), once=running)
    assert interrupted.failed
    wait_for("the build to end", lambda: not building())

    after = scenario.up(lambda: program(""))
    assert not after.failed, after.messages


def test_an_interrupt_lets_the_current_container_finish(scenario: Scenario, sandbox: Sandbox) -> None:
    slow = HEALTHCHECK | {"interval": "3s"}

    def started() -> bool:
        return "ctr" in sandbox.container_names()

    def program() -> None:
        first = container(sandbox, "ctr", healthcheck=slow, wait=True, wait_timeout=30)
        container(sandbox, "next", envs=[first.id.apply(lambda value: f"AFTER={value}")])

    interrupted = interrupted_up(scenario, program, once=started)
    assert interrupted.failed
    assert set(scenario.state()) == {"ctr"}
    assert sandbox.container_names() == {"ctr"}
    after = scenario.up()
    assert not after.failed, after.messages
    assert after.effects == {"next": "create"}


@pytest.mark.filterwarnings("ignore:Error in event stream")  # the stream ends with the engine, as it must
def test_a_killed_pulumi_leaves_no_plugin_process(scenario: Scenario, sandbox: Sandbox) -> None:
    def plugins() -> set[int]:
        return {
            pid
            for pid, command in commands()
            if "docker_plugin" in command and Path(f"/proc/{pid}/cwd").resolve() == scenario.directory
        }

    def program() -> None:
        container(sandbox, "ctr", healthcheck=HEALTHCHECK | {"interval": "3s"}, wait=True, wait_timeout=5)

    interrupted_up(scenario, program, once=lambda: "ctr" in sandbox.container_names(), by=signal.SIGKILL)
    wait_for("the plugin to end", lambda: not plugins())
