"""The verbs `status`, `health`, `logs`, `shell` and `graph` on a real engine."""

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from docker.models.containers import Container

from gix_model.catalog import CATALOG
from gix_model.settings import StackSettings
from gix_ops import cli
from tests.support.jobs import settle
from tests.support.running_gixctl import WITHIN_SECONDS, Running, command, environment, running
from tests.support.stack_under_test import PROGRAM, SERVICES, StackUnderTest

README = PROGRAM / "README.md"
VERBS = ("status", "health", "logs", "shell", "graph")


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def gixctl(stack: StackUnderTest, *words: str, name: str | None = None) -> Done:
    """Run `gixctl WORDS` on the stack, or on the stack `name`. In this process, which saves start-up time."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with ExitStack() as here:
        here.enter_context(mock.patch.dict(os.environ, stack.variables | {"COLUMNS": "200", "NO_COLOR": "1"}))
        here.enter_context(mock.patch.object(sys, "argv", ["gixctl", *words, "--stack", name or stack.name]))
        here.enter_context(contextlib.chdir(stack.directory))
        here.enter_context(contextlib.redirect_stdout(out))
        here.enter_context(contextlib.redirect_stderr(err))
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def name(stack: StackUnderTest, service: str) -> str:
    return f"{stack.prefix}-gix-{service}"


def healths(stack: StackUnderTest, *words: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run `gixctl health --json`. Returns the exit code, the result by service, and standard error."""
    done = gixctl(stack, "health", "--json", *words)
    return done.returncode, {each["service"]: each for each in json.loads(done.stdout)}, done.stderr


def lines(stack: StackUnderTest, *words: str) -> list[dict[str, str]]:
    done = gixctl(stack, "logs", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def in_the_place_of(
    stack: StackUnderTest, service: str, image: str, script: str, **options: Any
) -> Iterator[Container]:
    """A container made by hand with the name of a service's container, which it replaces."""
    stack.client.containers.get(name(stack, service)).remove(force=True)
    other = stack.client.containers.run(
        image, ["bash", "-c", script], detach=True, name=name(stack, service), **options
    )
    try:
        yield other
    finally:
        other.remove(force=True)


def test_given_a_healthy_stack_health_shows_what_the_engine_shows(platform: StackUnderTest) -> None:
    code, found, errors = healths(platform)
    assert (code, errors) == (0, "")
    assert list(found) == list(SERVICES)
    for service, shown in found.items():
        there = platform.container(service)
        port = platform.config[f"gix:{service}"]["hostPort"]
        assert shown["container"] == name(platform, service)
        assert (shown["state"], shown["health"], shown["fix"]) == ("running", "healthy", None)
        assert (shown["restarts"], shown["exit_code"], shown["failing_streak"]) == (0, None, 0)
        assert (shown["digest"], shown["started"]) == (there["Image"], there["State"]["StartedAt"])
        assert shown["ports"] == [f"127.0.0.1:{port}->{CATALOG[service].port}/tcp"]  # type: ignore[index] # SERVICES are its keys
        assert 0 < shown["uptime_seconds"] < 600
        assert shown["probes"]
        assert {(probe["exit_code"], probe["output"]) for probe in shown["probes"]} == {(0, "")}

    table = gixctl(platform, "health").stdout
    for service, shown in found.items():
        assert re.search(rf"{service} +healthy .*{shown['digest'][7:19]} .*exit 0, \d+s ago", table)


def test_given_an_unhealthy_service_health_shows_why_and_wait_ends_when_it_recovers(platform: StackUnderTest) -> None:
    router = platform.client.containers.get(name(platform, "router"))
    router.exec_run(["chmod", "0", "/usr/bin/timeout"], user="root")
    try:
        with running(platform, "health", "--watch", "--json") as watching:
            watching.line('"service": "router".*?"health": "unhealthy"')
            assert watching.interrupt() == (0, "")

        code, found, errors = healths(platform, "--wait", "1s")
        assert code == 1
        assert errors == "gixctl: after 1s: router is not healthy (unhealthy): gixctl logs router shows why\n"
        probe = found["router"]["probes"][-1]
        assert probe["exit_code"] != 0
        assert "timeout" in probe["output"]
        assert found["router"]["failing_streak"] >= 3
        assert found["auction"]["health"] == "healthy"

        with running(platform, "health", "--wait", f"{WITHIN_SECONDS}s") as waiting:
            router.exec_run(["chmod", "755", "/usr/bin/timeout"], user="root")
            waiting.line("router +healthy")
            assert waiting.end() == (0, "")
    finally:
        router.exec_run(["chmod", "755", "/usr/bin/timeout"], user="root")


def test_given_containers_that_do_not_run_every_verb_names_them_with_the_fix(platform: StackUnderTest) -> None:
    containers = platform.client.containers
    router, auction, enclave = (containers.get(name(platform, each)) for each in ("router", "auction", "enclave"))
    states = dict.fromkeys(SERVICES, "healthy") | {"router": "paused", "auction": "exited", "enclave": "missing"}
    router.pause()
    auction.stop()
    enclave.rename(f"{enclave.name}-away")
    try:
        code, found, errors = healths(platform)
        assert code == 1
        assert {service: each["health"] for service, each in found.items()} == states
        assert found["auction"]["exit_code"] == 0
        for fix in (f"docker unpause {router.name}", "gixctl logs auction shows why", "pulumi up --refresh creates"):
            assert fix in errors
        assert len(errors.splitlines()) == 1

        done = gixctl(platform, "status", "--json")
        assert done.returncode == 1
        assert [each["health"] for each in json.loads(done.stdout)] == [*states.values()]

        for service, state in (("auction", "exited"), ("enclave", "missing")):
            done = gixctl(platform, "shell", service)
            assert done.returncode == 1
            assert done.stderr.startswith(f"gixctl: the {service}'s container {name(platform, service)} is {state}: ")

        done = gixctl(platform, "logs")
        assert done.returncode == 1
        assert "auction | " in done.stdout
        assert (
            f"the enclave's container {name(platform, 'enclave')} is missing; to create it again: pulumi up --refresh"
            in done.stderr
        )

        done = gixctl(platform, "graph")
        assert done.returncode == 1
        assert f"{len(SERVICES)} services, 1 paused, 1 exited, 1 missing" in done.stdout
        assert all(f'<br>{state}"]:::bad' in done.stdout for state in ("paused", "exited", "missing"))
        assert done.stderr == (
            f"gixctl: missing: the container {name(platform, 'enclave')}; to create them again: pulumi up --refresh\n"
        )
    finally:
        enclave.rename(name(platform, "enclave"))
        auction.start()
        router.unpause()
    assert healths(platform, "--wait", f"{WITHIN_SECONDS}s")[0] == 0


def test_health_watch_on_a_terminal_is_a_live_view_until_ctrl_c(platform: StackUnderTest) -> None:
    with on_a_terminal(platform, "health", "--watch") as (process, terminal):
        shown = until(terminal, rb"enclave.{0,20}healthy.*enclave.{0,20}healthy")
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_SECONDS) == 0
    assert b"gix/" in shown


def test_logs_of_all_services_are_merged_by_time(platform: StackUnderTest) -> None:
    settle(platform, jobs=3)
    everything = lines(platform)
    assert {each["service"] for each in everything} == {*SERVICES}
    assert [each["time"] for each in everything] == sorted(each["time"] for each in everything)
    assert {each["service"] for each in everything if "job-2" in each["line"]} == {"router", "auction", "enclave"}

    shown = gixctl(platform, "logs", "--timestamps").stdout.splitlines()
    width = max(map(len, SERVICES))
    assert shown == [f"{each['service']:<{width}} | {each['time']} {each['line']}" for each in everything]

    of_router = [each for each in everything if each["service"] == "router"]
    assert lines(platform, "router", "--tail", "2") == of_router[-2:]
    assert lines(platform, "--grep", r"job-[01]\b") == [
        each for each in everything if re.search(r"job-[01]\b", each["line"])
    ]
    assert lines(platform, "--since", of_router[-1]["time"], "router") == of_router[-1:]
    assert lines(platform, "--since", "1ms") == []
    assert lines(platform, "--tail", "0") == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--grep", "("], 2, "( is not a regular expression"),
        (["--since", "yesterday"], 2, "yesterday is not a time"),
        (["broker"], 1, "the stack runs no service broker; it runs " + ", ".join(SERVICES)),
    ],
    ids=["expression", "time", "service"],
)
def test_logs_refuses_an_invalid_expression_time_or_service(
    platform: StackUnderTest, words: list[str], code: int, message: str
) -> None:
    done = gixctl(platform, "logs", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_logs_follow_continues_through_a_restart_and_a_replacement_and_ends_with_ctrl_c(
    platform: StackUnderTest,
) -> None:
    with running(platform, "logs", "--follow", "--tail", "0", "router") as following:
        router = platform.client.containers.get(name(platform, "router"))
        settle_until_seen(platform, following)
        router.restart()
        following.line("router .*SIGINT received, ends")
        following.line("router .*ready on port 50051")

        platform.change(router={"rustBacktrace": "1"})
        platform.up()
        assert platform.container("router")["Id"] != router.id
        following.line("router .*ready on port 50051")
        settle(platform, jobs=1)
        following.line("settled: .*job-0")

        code, errors = following.interrupt()
        assert code == 0
        assert following.rest() == []
    assert set(errors.splitlines()) <= {
        f"gixctl: the router's container {router.name} is missing; to create it again: pulumi up --refresh"
    }


def settle_until_seen(stack: StackUnderTest, following: Running) -> None:
    """Settle jobs until the followed log shows one, which proves that following has begun."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while following.is_silent:
        settle(stack, jobs=1)
        assert time.monotonic() < deadline
        time.sleep(0.2)
    following.line("settled: .*job-0")


def test_logs_follow_ends_when_its_reader_ends(platform: StackUnderTest) -> None:
    pipeline = f"{' '.join(command(platform.name, ('logs', '-f')))} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", pipeline],
        cwd=platform.directory,
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=True,
    )
    line, code = done.stdout.splitlines()
    assert " | " in line
    assert (code, done.stderr) == ("0", "")


WRITER = r"""
printf 'caf\303\251 \377\n'
echo complaint >&2
head -c 40000 /dev/zero | tr '\0' x
echo
printf 'no end'
"""


def test_given_other_containers_with_the_services_names_logs_shows_their_output_or_the_reason(
    platform: StackUnderTest, image: str
) -> None:
    try:
        with (
            in_the_place_of(platform, "router", image, WRITER) as writer,
            in_the_place_of(platform, "enclave", image, "echo lost; sleep 60", log_config={"type": "none"}),
        ):
            writer.wait()
            done = gixctl(platform, "logs", "--json")
            assert done.returncode == 1
            unread = "the enclave's log cannot be read: configured logging driver does not support reading"
            assert done.stderr == f"gixctl: {unread}\n"
            found = [json.loads(line) for line in done.stdout.splitlines()]
            assert {each["service"] for each in found} == {"router", "auction"}
            assert {(each["stream"], each["line"]) for each in found if each["service"] == "router"} == {
                ("stdout", "café \N{REPLACEMENT CHARACTER}"),
                ("stderr", "complaint"),
                ("stdout", 40_000 * "x"),
                ("stdout", "no end"),
            }

            with running(platform, "logs", "--follow") as following:
                assert following.error_line() == f"gixctl: {unread}\n"
                following.line("^router .*no end")
                assert following.interrupt() == (0, "")
    finally:
        platform.up("--refresh")


def shell(stack: StackUnderTest, *words: str, stdin: str = "") -> tuple[int, str]:
    done = subprocess.run(
        command(stack.name, ("shell", *words)),
        cwd=stack.directory,
        env=environment(stack),
        input=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_shell_passes_on_input_arguments_user_and_exit_code(platform: StackUnderTest) -> None:
    script = "hostname; test -t 0 || echo no terminal; echo $BASH\nexit 3\n"
    assert shell(platform, "auction", stdin=script) == (3, "auction\nno terminal\n/usr/bin/bash\n")

    words = ("sh", "-c", 'id -u; echo "$1"; exit 42', "sh", "a b")
    assert shell(platform, "router", "--user", "root", "--", *words) == (42, "0\na b\n")


def test_shell_on_a_terminal_has_a_terminal_in_the_container(platform: StackUnderTest) -> None:
    with on_a_terminal(platform, "shell", "enclave") as (process, terminal):
        os.write(terminal, b"test -t 1 && echo it is$((6 * 7)); exit 7\n")
        until(terminal, b"it is42")
        assert process.wait(WITHIN_SECONDS) == 7


@contextlib.contextmanager
def on_a_terminal(stack: StackUnderTest, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `gixctl WORDS` on a pseudo-terminal. Yields the process and the other end of the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(stack.name, words),
        cwd=stack.directory,
        env=environment(stack),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def until(terminal: int, pattern: bytes) -> bytes:
    """Read from a terminal until the output matches `pattern`. Returns the output."""
    deadline = time.monotonic() + WITHIN_SECONDS
    shown = b""
    while not re.search(pattern, shown, re.DOTALL):
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 2**16)
    return shown


def test_the_flowchart_in_the_readme_is_the_output_of_graph(platform: StackUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "stack.mmd"
    assert gixctl(platform, "graph", str(file)).returncode == 0
    assert gixctl(platform, "graph").stdout == file.read_text()

    picture = file.read_text().replace(f"gix/{platform.name}", "gix/dev").replace(f"{platform.prefix}-", "")
    picture = picture.replace(platform.config["gix:network"]["subnet"], StackSettings().network.subnet)
    for service, spec in CATALOG.items():
        own = f"127.0.0.1:{platform.config[f'gix:{service}']['hostPort']}"
        assert own in picture
        picture = picture.replace(own, f"127.0.0.1:{spec.port}")
    assert f"```mermaid\n{picture}```\n" in README.read_text(), "change generators/readme.py, run: make generate"


def test_given_a_file_that_cannot_be_written_graph_fails_and_names_it(platform: StackUnderTest, tmp_path: Path) -> None:
    done = gixctl(platform, "graph", str(tmp_path / "absent/stack.mmd"))
    assert done.returncode == 1
    assert done.stderr.endswith("absent/stack.mmd cannot be written: No such file or directory\n")


def test_given_two_stacks_each_verb_shows_only_its_own(platform: StackUnderTest, fresh: StackUnderTest) -> None:
    fresh.up()
    settle(fresh, jobs=1)
    assert len(lines(fresh, "router", "--grep", "settled: ")) == 1
    for stack, other in ((platform, fresh), (fresh, platform)):
        for verb in ("status", "health", "graph"):
            done = gixctl(stack, verb)
            assert done.returncode == 0
            assert f"gix/{stack.name}" in done.stdout
            assert other.name not in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_given_no_engine_or_no_such_stack_each_verb_fails_with_one_line(
    platform: StackUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    words = [verb, "router"] if verb == "shell" else [verb]
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    done = gixctl(platform, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the Docker engine does not answer" in done.stderr

    done = gixctl(platform, *words, name="absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no stack named 'absent'" in done.stderr
