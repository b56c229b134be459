"""An engine at a TCP address: plain on loopback, and with TLS. A proxy in front of the real engine stands for it."""

from pathlib import Path

import docker

from tests.support.engine_at_port import certificates, proxy, server_context
from tests.support.failures import failure
from tests.support.jobs import settle
from tests.support.stack_under_test import StackUnderTest


def test_given_an_engine_at_a_loopback_port_a_stack_runs_on_it(
    fresh: StackUnderTest, client: docker.DockerClient
) -> None:
    with proxy(client) as port:
        fresh.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        output = fresh.up().output
        assert "does not run on this machine" in output
        settle(fresh, jobs=1)
        assert fresh.up().is_empty


def test_given_an_engine_behind_tls_a_stack_runs_on_it(
    fresh: StackUnderTest, client: docker.DockerClient, tmp_path: Path
) -> None:
    directory = certificates(tmp_path / "certificates")
    with proxy(client, server_context(directory)) as port:
        fresh.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        assert "no engine answers" in failure(fresh)

        fresh.change(engine={"certPath": str(directory)})
        fresh.up()
        settle(fresh, jobs=1)
        assert fresh.up().is_empty
