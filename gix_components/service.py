"""One service in its container."""

import re
from datetime import timedelta

import pulumi
import pulumi_docker as docker

from gix_components.images import ImageHandle
from gix_model import provider_facts
from gix_model.catalog import DATA_DIRECTORY, ServiceSpec
from gix_model.environment import SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.settings import HealthCheckSettings, ServiceSettings

_START_ALLOWANCE = timedelta(seconds=5)
_TMPFS_OF_READ_ONLY_ROOT = {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}  # noqa: S108 - a path inside the container
_ROTATION = {"max-size": "10m", "max-file": "3"}


class Service(pulumi.ComponentResource):
    """A container that runs one service, on the network of the platform under the service's host name.

    `pulumi up` waits until it is healthy. If it does not become healthy, the update fails and shows the end of its log.
    `volume` is the name of the ledger's volume, for the service that writes it. `hooks` are bound to the container.
    """

    container_name: pulumi.Output[str]
    """Name of the container."""
    container_id: pulumi.Output[str]
    """Id of the container."""
    endpoint: str | None
    """HOST:PORT that the host publishes; None if the service is not published."""
    address: str
    """HOST:PORT inside the network."""

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
        grace = int(settings.stop_grace.total_seconds())
        restart, _, retries = settings.restart.partition(":")
        container = docker.Container(
            f"{name}-container",
            name=environment.name(spec.container),
            image=image.id,
            # The image has the same values. They are stated because the provider does not notice when one is removed.
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
            cpus=None if settings.cpus is None else provider_facts.recorded_processors(settings.cpus),
            memory=None if settings.memory is None else settings.memory.mebibytes,
            memory_swap=_memory_swap(settings),
            read_only=settings.read_only_root,
            tmpfs=_tmpfs(settings),
            capabilities=docker.ContainerCapabilitiesArgs(drops=settings.drop_capabilities)
            if settings.drop_capabilities
            else None,
            # Stated also if it is off, because the provider does not notice when it is removed.
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
                replace_on_changes=_replaced_on_changes(settings),
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
    """The probe of the original Docker set-up: a TCP connection to the service's port, from inside its container."""
    return docker.ContainerHealthcheckArgs(
        tests=["CMD-SHELL", f"timeout 2 bash -c '</dev/tcp/localhost/{spec.port}' || exit 1"],
        interval=provider_facts.recorded_time(settings.interval),
        timeout=provider_facts.recorded_time(settings.timeout),
        start_period=provider_facts.recorded_start_period(settings.start_period),
        start_interval=None
        if settings.start_interval is None
        else provider_facts.recorded_time(settings.start_interval),
        retries=settings.retries,
    )


def wait_seconds(settings: HealthCheckSettings) -> int:
    """How many seconds `pulumi up` waits for a service: by then its health check has a result."""
    probes = (settings.retries + 1) * (settings.interval + settings.timeout)
    return round((settings.start_period + probes + _START_ALLOWANCE).total_seconds())


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


def _memory_swap(settings: ServiceSettings) -> int | None:
    if settings.memory is None:
        return None
    # Without a value, each refresh would find Docker's default and want an update.
    return 2 * settings.memory.mebibytes if settings.memory_swap is None else settings.memory_swap.mebibytes


def _replaced_on_changes(settings: ServiceSettings) -> list[str]:
    removed = provider_facts.RECORDED_ONLY_WHEN_REMOVED if settings.memory is None else ()
    return [*provider_facts.RECORDED_ONLY, *removed]


def _tmpfs(settings: ServiceSettings) -> dict[str, str] | None:
    return ((_TMPFS_OF_READ_ONLY_ROOT if settings.read_only_root else {}) | settings.tmpfs) or None


def _log_options(settings: ServiceSettings) -> dict[str, str] | None:
    if settings.logging.options is not None:
        return settings.logging.options
    return _ROTATION if re.fullmatch("json-file|local", settings.logging.driver) else None


def _reachable(bind_address: str) -> str:
    return "127.0.0.1" if bind_address == "0.0.0.0" else bind_address  # noqa: S104 - compared, not bound
