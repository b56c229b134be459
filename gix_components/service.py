"""One service in its container."""

import re

import pulumi
import pulumi_docker as docker

from gix_components.images import ImageHandle
from gix_model import units
from gix_model.catalog import DATA_DIRECTORY, ServiceSpec
from gix_model.environment import SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.settings import HealthCheckSettings, ServiceSettings

RECORDED_ONLY = ["healthcheck", "tmpfs", "init"]
"""Inputs of a container that the provider records on an update and never applies: a change must replace it."""
RECORDED_ONLY_WHEN_REMOVED = ["memory", "memorySwap"]
"""Inputs whose changes the provider applies to a running container, but not their removal."""

_START_ALLOWANCE_SECONDS = 5
_NO_TIME = "1ms"
"""The shortest start period: the engine takes 0 for the image's own."""
_TMPFS_OF_READ_ONLY_ROOT = {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}  # noqa: S108 - a path inside the container
_ROTATION = {"max-size": "10m", "max-file": "3"}


class Service(pulumi.ComponentResource):
    """A container that runs one service, on the platform's network under the service's host name.

    `pulumi up` waits until it is healthy. Where it does not become so, the update fails and shows the tail of its log.
    `volume` is the ledger's, for the service that keeps it; `hooks` are bound to the container.
    """

    container_name: pulumi.Output[str]
    """Its name on the engine."""
    container_id: pulumi.Output[str]
    """Its id on the engine."""
    endpoint: str | None
    """HOST:PORT at which the host publishes it; None where it does not."""
    address: str
    """HOST:PORT at which the other services reach it."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        spec: ServiceSpec,
        *,
        image: ImageHandle,
        network: pulumi.Input[str],
        volume: pulumi.Input[str] | None = None,
        hooks: pulumi.ResourceHookBinding | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Service", name, None, opts)
        settings = environment.services[spec.name]
        labels = {STACK_LABEL: environment.label, SERVICE_LABEL: spec.name} | settings.labels
        grace = int(units.seconds(settings.stop_grace))
        restart, _, retries = settings.restart.partition(":")
        container = docker.Container(
            f"{name}-container",
            name=environment.name(spec.container),
            image=image.id,
            # Stated although the image says the same: the provider sees no diff where one of these is left out.
            command=[spec.binary],
            healthcheck=health_check(spec, settings.health_check),
            working_dir="/",
            user=settings.user,
            hostname=spec.hostname,
            envs=_variables(spec, settings),
            ports=_ports(environment, spec),
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network, aliases=[spec.hostname])],
            volumes=[]
            if volume is None
            else [docker.ContainerVolumeArgs(volume_name=volume, container_path=DATA_DIRECTORY)],
            labels=[docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
            restart=restart,
            max_retry_count=int(retries) if retries else None,
            cpus=None if settings.cpus is None else units.recorded_processors(settings.cpus),
            memory=_mebibytes(settings.memory),
            memory_swap=_memory_swap(settings),
            read_only=settings.read_only_root,
            tmpfs=_tmpfs(settings),
            capabilities=docker.ContainerCapabilitiesArgs(drops=settings.drop_capabilities)
            if settings.drop_capabilities
            else None,
            # Stated either way: the provider sees no diff where it is left out.
            security_opts=[f"no-new-privileges:{str(settings.no_new_privileges).lower()}"],
            init=settings.init,
            stop_signal=settings.stop_signal,
            stop_timeout=grace,
            destroy_grace_seconds=grace,
            log_driver=settings.logging.driver,
            log_opts=_log_options(settings),
            ulimits=[
                docker.ContainerUlimitArgs(name=limit, soft=value.soft, hard=value.hard)
                for limit, value in settings.ulimits.items()
            ],
            hosts=[docker.ContainerHostArgs(host=host, ip=ip) for host, ip in settings.extra_hosts.items()],
            must_run=True,
            wait=True,
            wait_timeout=wait_seconds(settings.health_check),
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_on_changes=RECORDED_ONLY + (RECORDED_ONLY_WHEN_REMOVED if settings.memory is None else []),
                delete_before_replace=True,
                hooks=hooks,
            ),
        )
        port = environment.host_port(spec)
        self.container_name = container.name
        self.container_id = container.id
        self.endpoint = None if port is None else f"{_reachable(settings.bind_address)}:{port}"
        self.address = f"{spec.hostname}:{spec.port}"
        self.register_outputs(
            {"containerName": self.container_name, "endpoint": self.endpoint, "address": self.address}
        )


def health_check(spec: ServiceSpec, settings: HealthCheckSettings) -> docker.ContainerHealthcheckArgs:
    """The description's probe: a TCP connection to the service's own port, from inside its container."""
    return docker.ContainerHealthcheckArgs(
        tests=["CMD-SHELL", f"timeout 2 bash -c '</dev/tcp/localhost/{spec.port}' || exit 1"],
        interval=units.go_duration(settings.interval),
        timeout=units.go_duration(settings.timeout),
        start_period=units.go_duration(settings.start_period) if units.seconds(settings.start_period) else _NO_TIME,
        start_interval=None if settings.start_interval is None else units.go_duration(settings.start_interval),
        retries=settings.retries,
    )


def wait_seconds(settings: HealthCheckSettings) -> int:
    """How long `pulumi up` waits for a service: until its health check must have said healthy or unhealthy."""
    probe = units.seconds(settings.interval) + units.seconds(settings.timeout)
    return round(units.seconds(settings.start_period) + (settings.retries + 1) * probe) + _START_ALLOWANCE_SECONDS


def _variables(spec: ServiceSpec, settings: ServiceSettings) -> list[pulumi.Input[str]]:
    plain = {"RUST_LOG": settings.rust_log, "RUST_BACKTRACE": settings.rust_backtrace}
    if spec.keeps_ledger:
        plain["GIX_DATA_DIR"] = DATA_DIRECTORY
    variables: list[pulumi.Input[str]] = [f"{name}={value}" for name, value in (plain | settings.environment).items()]
    variables += [
        pulumi.Output.secret(f"{name}={value.get_secret_value()}")
        for name, value in settings.secret_environment.items()
    ]
    return variables


def _ports(environment: Environment, spec: ServiceSpec) -> list[docker.ContainerPortArgs]:
    settings = environment.services[spec.name]
    published = {spec.port: environment.host_port(spec)}
    if spec.metrics_port is not None:
        published[spec.metrics_port] = settings.metrics_port
    return [
        docker.ContainerPortArgs(internal=internal, external=external, ip=settings.bind_address, protocol="tcp")
        for internal, external in published.items()
        if external is not None
    ]


def _mebibytes(memory: str | None) -> int | None:
    return None if memory is None else units.mebibytes(memory)


def _memory_swap(settings: ServiceSettings) -> int | None:
    # Docker's own default, stated: left out, each refresh finds it and wants an update.
    if settings.memory is None:
        return None
    return _mebibytes(settings.memory_swap) or 2 * units.mebibytes(settings.memory)


def _tmpfs(settings: ServiceSettings) -> dict[str, str] | None:
    return ((_TMPFS_OF_READ_ONLY_ROOT if settings.read_only_root else {}) | settings.tmpfs) or None


def _log_options(settings: ServiceSettings) -> dict[str, str] | None:
    if settings.logging.options is not None:
        return settings.logging.options
    return _ROTATION if re.fullmatch("json-file|local", settings.logging.driver) else None


def _reachable(bind_address: str) -> str:
    return "127.0.0.1" if bind_address == "0.0.0.0" else bind_address  # noqa: S104 - compared, not bound
