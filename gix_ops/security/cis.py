"""The items of the CIS Docker Benchmark about containers and images, as data: what each item checks, and its fix.

Numbers and levels are those of versions 1.6 and 1.7, which agree. The titles are this project's own. An item passes if
its check finds no fault. docker-bench-security checks the items about the host and the engine.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar, cast

from gix_engine.observed_state import TASK_LABEL
from gix_model.catalog import CATALOG, ServiceName
from gix_model.environment import EDGE_LABEL

Record = Mapping[str, Any]

RECREATE = "docker rm -f {name}, then pulumi up --refresh"
"""The fix for a state that no key can cause: the container was created or changed by hand."""

_FIRST_UNPRIVILEGED_PORT = 1024
_MOST_RESTARTS = 5
_ENGINE_SOCKETS = tuple(
    map(PurePosixPath, ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock"))
)
_SENSITIVE = tuple(map(PurePosixPath, ("/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")))
_ROOT = re.compile(r"(?:root|0+)?(?::.*)?")
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_BUILD_ARGUMENTS = re.compile(r"^(?:RUN )?\|\d+ (?P<arguments>.*?) /bin/sh -c ")


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container. `record` is the output of its inspection; `service` is None if it runs no service of the stack.

    `processes` is None if the container does not run. `image_now` is the id of the image that the name of its image now
    refers to, or None. `guards` are the engine's security features: apparmor, seccomp, selinux.
    """

    name: str
    service: str | None
    record: Record
    processes: tuple[str, ...] | None = None
    image_now: str | None = None
    guards: frozenset[str] = frozenset()

    @property
    def config(self) -> Record:
        """The configuration of its process."""
        return cast("Record", self.record["Config"])

    @property
    def is_edge(self) -> bool:
        """Whether it is the edge of the stack."""
        return EDGE_LABEL in (self.config.get("Labels") or {})

    @property
    def is_task(self) -> bool:
        """Whether Swarm runs it."""
        return TASK_LABEL in (self.config.get("Labels") or {})

    @property
    def host(self) -> Record:
        """The configuration of its isolation from the host."""
        return cast("Record", self.record["HostConfig"])


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image. `record` is the output of its inspection, `history` its build steps, the newest first.

    `secrets` are the stack's secrets, which must not be in the image.
    """

    name: str
    service: str
    record: Record
    history: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def config(self) -> Record:
        """The configuration that a container inherits."""
        return cast("Record", self.record["Config"])


T = TypeVar("T")


def _always(_subject: object) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Item(Generic[T]):
    """One item. `faults` returns a short text for each fault; `not_for` the reason if the item does not apply.

    `fix` is the key to set or the command to run. {service} and {name} are replaced by the container's.
    """

    id: str
    title: str
    level: int
    faults: Callable[[T], Iterator[str]]
    fix: str
    not_for: Callable[[T], str | None] = _always


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """An item that may fail, and the reason. `holds` tells for which containers."""

    item: str
    reason: str
    holds: Callable[[Container], bool]


def _user_of_image(image: Image) -> Iterator[str]:
    if _ROOT.fullmatch(image.config.get("User") or ""):
        yield "its user is root"


def _health_of_image(image: Image) -> Iterator[str]:
    yield from _no_health_check(image.config)


def _update_alone(image: Image) -> Iterator[str]:
    for step in image.history:
        if re.search(r"\b(apt|apt-get|apk|yum|dnf) update\b", step) and "install" not in step and " add " not in step:
            yield f"update without installation: {step[:60]}"


def _add_instructions(image: Image) -> Iterator[str]:
    # The oldest step adds the file system of the base image.
    for step in image.history[:-1]:
        if re.match(r"(?:/bin/sh -c #\(nop\) +)?ADD ", step):
            yield step[:60]


def _secrets_of_image(image: Image) -> Iterator[str]:
    names = {variable.partition("=")[0] for variable in image.config.get("Env") or []}
    for step in image.history:
        if found := _BUILD_ARGUMENTS.match(step):
            names |= set(re.findall(r"(?:^| )([A-Za-z_]\w*)=", found["arguments"]))
    yield from (f"the variable {name} is in it" for name in sorted(names) if _SECRET_NAME.search(name))
    texts = (*image.history, *_texts(image.record))
    if any(secret in text for secret in image.secrets for text in texts):
        yield "a secret of the stack is in it"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for each in pair for text in _texts(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in _texts(each))


def _user(container: Container) -> Iterator[str]:
    if _ROOT.fullmatch(container.config.get("User") or ""):
        yield "runs as root"


def _apparmor(container: Container) -> Iterator[str]:
    if container.record.get("AppArmorProfile") in ("", "unconfined", None):
        yield "no profile"


def _selinux(container: Container) -> Iterator[str]:
    options = container.host.get("SecurityOpt") or []
    if not container.record.get("ProcessLabel") or {"label=disable", "label:disable"} & set(options):
        yield "no label"


def _without(guard: str) -> Callable[[Container], str | None]:
    return lambda container: None if guard in container.guards else f"the engine has no {guard}"


def _capabilities(container: Container) -> Iterator[str]:
    if "ALL" not in (container.host.get("CapDrop") or []):
        yield "has the engine's default capabilities; the services need none"
    yield from (f"{name} added" for name in container.host.get("CapAdd") or [])


def _privileged(container: Container) -> Iterator[str]:
    if container.host["Privileged"]:
        yield "privileged"


def _bind_mounts(container: Container) -> Iterator[PurePosixPath]:
    for mount in container.record.get("Mounts") or []:
        if mount["Type"] == "bind":
            yield PurePosixPath(mount["Source"])


def _sensitive_mounts(container: Container) -> Iterator[str]:
    for source in _bind_mounts(container):
        if source == PurePosixPath("/") or any(source.is_relative_to(each) for each in _SENSITIVE):
            yield f"{source} of the host is mounted"


def _engine_socket(container: Container) -> Iterator[str]:
    for source in _bind_mounts(container):
        # A mounted parent directory contains the socket.
        if source.name == "docker.sock" or any(socket.is_relative_to(source) for socket in _ENGINE_SOCKETS):
            yield f"{source} is mounted"


def _ssh(container: Container) -> Iterator[str]:
    for process in container.processes or ():
        if re.search(r"\bsshd\b", process):
            yield f"runs {process}"


def _not_running(container: Container) -> str | None:
    return None if container.processes is not None else "it does not run"


def _bindings(container: Container) -> Iterator[tuple[str, str, str]]:
    """Container's port, host's address and port, of everything that it publishes."""
    for inside, bindings in (container.host.get("PortBindings") or {}).items():
        for binding in bindings or []:
            yield inside, binding.get("HostIp") or "0.0.0.0", binding.get("HostPort") or "0"  # noqa: S104 - compared


def _privileged_ports(container: Container) -> Iterator[str]:
    for _, _, port in _bindings(container):
        if 0 < int(port) < _FIRST_UNPRIVILEGED_PORT:
            yield f"port {port} of the host"


def _needless_ports(container: Container) -> Iterator[str]:
    spec = CATALOG[cast("ServiceName", container.service)]
    needed = {f"{port}/tcp" for port in (spec.port, spec.metrics_port) if port is not None}
    if container.host.get("PublishAllPorts"):
        yield "publishes all ports that its image exposes"
    yield from (f"publishes {inside}" for inside, _, _ in _bindings(container) if inside not in needed)


def _unknown_service(container: Container) -> str | None:
    return None if container.service in CATALOG else "it runs no service of the catalog"


def _every_address(container: Container) -> Iterator[str]:
    for inside, address, port in _bindings(container):
        if address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            yield f"{inside} on {address}:{port}"


def _shares(key: str, what: str) -> Callable[[Container], Iterator[str]]:
    def check(container: Container) -> Iterator[str]:
        if container.host.get(key) == "host":
            yield f"shares the host's {what}"

    return check


def _memory(container: Container) -> Iterator[str]:
    if not container.host.get("Memory"):
        yield "no limit"


def _processor(container: Container) -> Iterator[str]:
    if not any(container.host.get(key) for key in ("NanoCpus", "CpuShares", "CpuQuota")):
        yield "no limit"


def _root_file_system(container: Container) -> Iterator[str]:
    if not container.host["ReadonlyRootfs"]:
        yield "writable"


def _restart(container: Container) -> Iterator[str]:
    policy = container.host["RestartPolicy"]
    name, count = policy["Name"] or "no", policy.get("MaximumRetryCount") or 0
    if name in ("always", "unless-stopped"):
        yield name
    elif name == "on-failure" and not 0 < count <= _MOST_RESTARTS:
        yield f"on-failure, {count or 'without a limit'}"


def _devices(container: Container) -> Iterator[str]:
    for device in container.host.get("Devices") or []:
        yield f"{device['PathOnHost']} of the host"
    if container.host.get("DeviceRequests"):
        yield "devices by request"


def _ulimits(container: Container) -> Iterator[str]:
    for limit in container.host.get("Ulimits") or []:
        if limit["Name"] in ("nofile", "nproc") and -1 in (limit["Soft"], limit["Hard"]):
            yield f"{limit['Name']} without a limit"


def _propagation(container: Container) -> Iterator[str]:
    for mount in container.record.get("Mounts") or []:
        if mount.get("Propagation") in ("shared", "rshared"):
            yield f"{mount['Destination']} is {mount['Propagation']}"


def _seccomp(container: Container) -> Iterator[str]:
    if {"seccomp=unconfined", "seccomp:unconfined"} & set(container.host.get("SecurityOpt") or []):
        yield "unconfined"


def _cgroup(container: Container) -> Iterator[str]:
    if parent := container.host.get("CgroupParent"):
        yield f"under {parent}"


def _new_privileges(container: Container) -> Iterator[str]:
    # The option is also present when it is off, as `no-new-privileges:false`.
    stated = {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}
    if not stated & set(container.host.get("SecurityOpt") or []):
        yield "may gain privileges"


def _no_health_check(config: Record) -> Iterator[str]:
    test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "NONE":
        yield "none"


def _health(container: Container) -> Iterator[str]:
    return _no_health_check(container.config)


def _stale_image(container: Container) -> Iterator[str]:
    if container.record["Image"] != container.image_now:
        yield "the image's name now refers to another image"


def _nameless_image(container: Container) -> str | None:
    return None if container.image_now else "the image's name is not on the engine"


def _processes(container: Container) -> Iterator[str]:
    if (container.host.get("PidsLimit") or 0) <= 0:
        yield "no limit"


def _default_bridge(container: Container) -> Iterator[str]:
    # The network mode is `bridge` even after the container was disconnected from it, so read its networks.
    if "bridge" in container.record["NetworkSettings"]["Networks"]:
        yield "is on the engine's default bridge"


_NO_KEY = f"no key causes this; {RECREATE}"

IMAGE_ITEMS: tuple[Item[Image], ...] = (
    Item(
        id="4.1",
        title="runs as its own user, not root",
        level=1,
        faults=_user_of_image,
        fix="add USER to the Dockerfile of the {service}, as in infra/docker",
    ),
    Item(
        id="4.6",
        title="a health check in the image",
        level=1,
        faults=_health_of_image,
        fix="add HEALTHCHECK to the Dockerfile of the {service}, as in infra/docker",
    ),
    Item(
        id="4.7",
        title="no update of packages without an installation in the same step",
        level=1,
        faults=_update_alone,
        fix="use one RUN for both in the Dockerfile",
    ),
    Item(
        id="4.9",
        title="COPY instead of ADD",
        level=1,
        faults=_add_instructions,
        fix="use COPY in the Dockerfile",
    ),
    Item(
        id="4.10",
        title="no secrets in the image",
        level=1,
        faults=_secrets_of_image,
        fix="remove it from gix:images.buildArgs and the Dockerfile; set it at run time: "
        "gix:{service}.secretEnvironment",
    ),
)
"""The items about images."""

CONTAINER_ITEMS: tuple[Item[Container], ...] = (
    Item(id="4.1", title="runs as its own user, not root", level=1, faults=_user, fix="gix:{service}.user: 1000:1000"),
    Item(
        id="5.2",
        title="an AppArmor profile",
        level=1,
        faults=_apparmor,
        fix=_NO_KEY,
        not_for=_without("apparmor"),
    ),
    Item(id="5.3", title="SELinux labels", level=2, faults=_selinux, fix=_NO_KEY, not_for=_without("selinux")),
    Item(
        id="5.4",
        title="only the kernel capabilities that it needs",
        level=1,
        faults=_capabilities,
        fix="gix:{service}.dropCapabilities: [ALL]",
    ),
    Item(id="5.5", title="not privileged", level=1, faults=_privileged, fix=_NO_KEY),
    Item(id="5.6", title="no system directory of the host", level=1, faults=_sensitive_mounts, fix=_NO_KEY),
    Item(id="5.7", title="no sshd", level=1, faults=_ssh, fix=_NO_KEY, not_for=_not_running),
    Item(
        id="5.8",
        title="no privileged port of the host",
        level=1,
        faults=_privileged_ports,
        fix="gix:{service}.hostPort: 1024 or more",
    ),
    Item(
        id="5.9",
        title="only the ports that it needs",
        level=1,
        faults=_needless_ports,
        fix=_NO_KEY,
        not_for=_unknown_service,
    ),
    Item(id="5.10", title="its own network", level=1, faults=_shares("NetworkMode", "network"), fix=_NO_KEY),
    Item(id="5.11", title="limited memory", level=1, faults=_memory, fix="gix:{service}.memory: e.g. 512MiB"),
    Item(id="5.12", title="limited processor time", level=1, faults=_processor, fix="gix:{service}.cpus: e.g. 1"),
    Item(
        id="5.13",
        title="a read-only root file system",
        level=1,
        faults=_root_file_system,
        fix="gix:{service}.readOnlyRoot: true",
    ),
    Item(
        id="5.14",
        title="published on one address of the host",
        level=1,
        faults=_every_address,
        fix="gix:{service}.bindAddress: one address of the host, or gix:{service}.publish: false",
    ),
    Item(
        id="5.15",
        title="restarted at most five times",
        level=1,
        faults=_restart,
        fix="gix:{service}.restart: on-failure:5",
    ),
    Item(
        id="5.16",
        title="its own processes (PID)",
        level=1,
        faults=_shares("PidMode", "processes"),
        fix=_NO_KEY,
    ),
    Item(
        id="5.17",
        title="its own shared memory (IPC)",
        level=1,
        faults=_shares("IpcMode", "shared memory"),
        fix=_NO_KEY,
    ),
    Item(id="5.18", title="no device of the host", level=1, faults=_devices, fix=_NO_KEY),
    Item(
        id="5.19",
        title="no unlimited kernel limits",
        level=1,
        faults=_ulimits,
        fix="gix:{service}.ulimits: a number instead of -1",
    ),
    Item(id="5.20", title="no shared mounts", level=1, faults=_propagation, fix=_NO_KEY),
    Item(
        id="5.21",
        title="its own host name (UTS)",
        level=1,
        faults=_shares("UTSMode", "host name"),
        fix=_NO_KEY,
    ),
    Item(
        id="5.22",
        title="the engine's seccomp profile",
        level=1,
        faults=_seccomp,
        fix=_NO_KEY,
        not_for=_without("seccomp"),
    ),
    Item(id="5.25", title="in the engine's own cgroup", level=1, faults=_cgroup, fix=_NO_KEY),
    Item(
        id="5.26",
        title="no new privileges",
        level=1,
        faults=_new_privileges,
        fix="gix:{service}.noNewPrivileges: true",
    ),
    Item(id="5.27", title="a health check at run time", level=1, faults=_health, fix=_NO_KEY),
    Item(
        id="5.28",
        title="the image that its name refers to",
        level=1,
        faults=_stale_image,
        fix="gixctl verify names the declared image; pulumi up runs it",
        not_for=_nameless_image,
    ),
    Item(
        id="5.29",
        title="limited number of processes",
        level=1,
        faults=_processes,
        fix="docker update --pids-limit 256 {name}",
    ),
    Item(id="5.30", title="not on the engine's default bridge", level=2, faults=_default_bridge, fix=_NO_KEY),
    Item(
        id="5.31",
        title="its own users, if the engine separates them",
        level=1,
        faults=_shares("UsernsMode", "users"),
        fix=_NO_KEY,
    ),
    Item(id="5.32", title="no socket of the engine", level=1, faults=_engine_socket, fix=_NO_KEY),
)
"""The items about containers."""

WAIVERS = (
    Waiver(
        item="5.14",
        reason="Swarm publishes ports on all addresses of a node: limit them with a firewall",
        holds=lambda container: container.is_task,
    ),
    Waiver(
        item="5.14",
        reason="clients on other machines connect to the router; if the host has several addresses, set "
        "gix:router.bindAddress to one of them",
        holds=lambda container: container.service == "router" or container.is_edge,
    ),
    Waiver(
        item="5.15",
        reason="unless-stopped starts the services again when the engine or its machine restarts, which on-failure "
        "does not; gixctl status shows a container that fails repeatedly",
        holds=lambda container: container.host["RestartPolicy"]["Name"] == "unless-stopped",
    ),
    Waiver(
        item="5.26",
        reason="Swarm cannot set it for a service; set no-new-privileges in the daemon.json of each node",
        holds=lambda container: container.is_task,
    ),
    Waiver(
        item="5.29",
        reason="the docker provider cannot set a limit on the number of a container's processes",
        holds=lambda container: container.service is not None or container.is_edge,
    ),
)
"""The items that may fail, and the reasons."""

NOT_CHECKED = {
    "4.2": "a person decides which base image to trust: gix:images.runtimeBase",
    "4.3": "a person decides which packages are needed; the SBOM of gixctl scan lists them",
    "4.4": "gixctl scan finds known vulnerabilities",
    "4.5": "content trust is a setting of the client; images here are built, or pulled by digest",
    "4.8": "needs the image's whole file system; with 5.26 such files give no privileges",
    "4.11": "the base image decides how its packages are signed",
    "4.12": "images are not signed; their digest identifies them",
    "5.1": "swarm mode is a setting of the engine",
    "5.23": "an action that the engine does not record",
    "5.24": "an action that the engine does not record",
}
"""The other items of sections 4 and 5, and why they are left out."""
