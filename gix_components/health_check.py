"""The health check of a container, as an input of the docker provider."""

from collections.abc import Sequence
from datetime import timedelta

import pulumi_docker as docker

from gix_model import provider_facts, units
from gix_model.catalog import ServiceSpec
from gix_model.settings import HealthCheckSettings

_START_ALLOWANCE = timedelta(seconds=5)


def tcp_probe(port: int) -> list[str]:
    """The probe of the original Docker set-up: a TCP connection to a port, from inside the container."""
    return ["CMD-SHELL", f"timeout 2 bash -c '</dev/tcp/localhost/{port}' || exit 1"]


def probe(spec: ServiceSpec, settings: HealthCheckSettings) -> list[str]:
    """The command that runs in a service's container for each probe, as the engine takes it."""
    match settings.probe:
        case "grpc":
            # Below the timeout of the engine, which ends the probe without a message.
            milliseconds = settings.timeout * 2 // 3 // timedelta(milliseconds=1)
            limit = units.format_duration(timedelta(milliseconds=max(milliseconds, 1)))
            limits = [f"-connect-timeout={limit}", f"-rpc-timeout={limit}"]
            return ["CMD", "grpc-health-probe", f"-addr=localhost:{spec.port}", *limits]
        case "command":
            return ["CMD", *settings.command]
        case "tcp":
            return tcp_probe(spec.port)


def arguments(probe: Sequence[str], settings: HealthCheckSettings) -> docker.ContainerHealthcheckArgs:
    """The health check that runs `probe`."""
    return docker.ContainerHealthcheckArgs(
        tests=list(probe),
        interval=provider_facts.recorded_time(settings.interval),
        timeout=provider_facts.recorded_time(settings.timeout),
        start_period=provider_facts.recorded_start_period(settings.start_period),
        start_interval=None
        if settings.start_interval is None
        else provider_facts.recorded_time(settings.start_interval),
        retries=settings.retries,
    )


def wait_seconds(settings: HealthCheckSettings) -> int:
    """How many seconds `pulumi up` waits for a container: by then its health check has a result."""
    probes = (settings.retries + 1) * (settings.interval + settings.timeout)
    return round((settings.start_period + probes + _START_ALLOWANCE).total_seconds())
