"""The trials of the change matrix: each input, the key that changes it, and where the engine shows it."""

import dataclasses
from typing import Any

from docker.errors import NotFound
from pydantic import SecretStr

from gix_model.environment import EDGE_LABEL, EDGE_METRICS_PORT, STACK_LABEL
from tests.engine.change_matrix_site import EDITED_LINE, Site
from tests.engine.changes import REMOVED, Act, Cell, Effect, Shows, containers, images, inspected, recorded
from tests.support.stack_under_test import SERVICES, StackUnderTest

MIB = 2**20
NETWORK = frozenset({"gix-network"})
VOLUME = frozenset({"gix-ledger-volume"})
PROVIDER = frozenset({"gix-engine"})
EDGE = frozenset({"gix-edge-container"})
NO_SITE = Site(
    prefixes=("", "", ""),
    subnets=("", "", ""),
    metrics_ports=(9101, 9102),
    sealed={"first": SecretStr("one"), "second": SecretStr("two")},
    base="",
    registry="",
    engine="",
    certificates="",
)
"""The values of trials of containers in tests that run no matrix."""


def config(service: str, key: str) -> Shows:
    return lambda stack: inspected(stack, service)["Config"].get(key)


def host(service: str, key: str) -> Shows:
    return lambda stack: inspected(stack, service)["HostConfig"].get(key)


def variable(service: str, name: str) -> Shows:
    return lambda stack: dict(each.split("=", 1) for each in inspected(stack, service)["Config"]["Env"]).get(name)


def published(service: str, inside: int) -> Shows:
    return lambda stack: [
        int(each["HostPort"])
        for each in (inspected(stack, service)["HostConfig"]["PortBindings"] or {}).get(f"{inside}/tcp", [])
    ]


def stated(resource: str, *path: str) -> Shows:
    """Read what Pulumi has recorded, for inputs that only Pulumi or a build uses."""

    def show(stack: StackUnderTest) -> Any:
        value: Any = recorded(stack)[resource]["inputs"]
        for step in path:
            value = (value or {}).get(step)
        return value

    return show


def of_image(service: str, *path: str) -> Shows:
    """Read `docker image inspect` of the image that a service runs."""

    def show(stack: StackUnderTest) -> Any:
        value: Any = stack.client.images.get(inspected(stack, service)["Image"]).attrs
        for step in path:
            value = (value or {}).get(step)
        return value

    return show


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """An input of a service's container. It starts as `before`, changes to `after`, and then its key is removed.

    `changed` and `removed` are the values that the engine shows after each step.
    """

    service: str
    input: str
    key: str
    before: Any
    after: Any
    shows: Shows
    changed: Any
    removed: Any
    on_change: Effect = Effect.REPLACE
    on_removal: Effect = Effect.REPLACE

    def change(self) -> Cell:
        return self._cell(Act.CHANGE, self.after, self.changed, self.on_change)

    def remove(self) -> Cell:
        return self._cell(Act.REMOVE, REMOVED, self.removed, self.on_removal)

    def _cell(self, act: Act, value: Any, expected: Any, effect: Effect) -> Cell:
        return Cell(
            resource="Container",
            input=self.input,
            act=act,
            key=f"{self.service}.{self.key}",
            value=value,
            resources=containers([self.service]),
            shows=self.shows,
            expected=expected,
            effect=effect,
        )


MEMORY = Trial(
    service="enclave",
    input="memory",
    key="memory",
    before="64MiB",
    after="80MiB",
    shows=host("enclave", "Memory"),
    changed=80 * MIB,
    removed=0,
    on_change=Effect.UPDATE,
)
MEMORY_SWAP = Trial(
    service="enclave",
    input="memorySwap",
    key="memorySwap",
    before="128MiB",
    after="192MiB",
    shows=host("enclave", "MemorySwap"),
    changed=192 * MIB,
    removed=160 * MIB,
    on_change=Effect.UPDATE,
    on_removal=Effect.UPDATE,
)
RESTART = Trial(
    service="enclave",
    input="restart",
    key="restart",
    before="always",
    after="on-failure:5",
    shows=host("enclave", "RestartPolicy"),
    changed={"Name": "on-failure", "MaximumRetryCount": 5},
    removed={"Name": "unless-stopped", "MaximumRetryCount": 0},
    on_change=Effect.UPDATE,
    on_removal=Effect.UPDATE,
)
MAX_RETRY_COUNT = dataclasses.replace(RESTART, input="maxRetryCount")
INIT = Trial(
    service="router",
    input="init",
    key="init",
    before=True,
    after=False,
    shows=host("router", "Init"),
    changed=False,
    removed=True,
)
TMPFS = Trial(
    service="auction",
    input="tmpfs",
    key="tmpfs",
    before={"/run/trial": "size=1m"},
    after={"/run/trial": "size=2m"},
    shows=host("auction", "Tmpfs"),
    changed={"/run/trial": "size=2m"},
    removed=None,
)


def health_check(service: str) -> list[Trial]:
    """A service's health check, and Pulumi's wait time, which is computed from it."""
    probe = Trial(
        service=service,
        input="healthcheck",
        key="healthCheck.retries",
        before=4,
        after=5,
        shows=lambda stack: inspected(stack, service)["Config"]["Healthcheck"]["Retries"],
        changed=5,
        removed=3,
    )
    wait = dataclasses.replace(
        probe,
        input="waitTimeout",
        shows=stated(f"gix-{service}-container", "waitTimeout"),
        changed=31,
        removed=23,
        on_change=Effect.UPDATE,
        on_removal=Effect.UPDATE,
    )
    return [probe, wait]


ENCLAVE = [
    Trial(
        service="enclave",
        input="readOnly",
        key="readOnlyRoot",
        before=False,
        after=True,
        shows=host("enclave", "ReadonlyRootfs"),
        changed=True,
        removed=False,
    ),
    Trial(
        service="enclave",
        input="ports",
        key="publish",
        before=True,
        after=False,
        shows=lambda stack: bool(inspected(stack, "enclave")["HostConfig"]["PortBindings"]),
        changed=False,
        removed=True,
    ),
    Trial(
        service="enclave",
        input="stopSignal",
        key="stopSignal",
        before="SIGTERM",
        after="SIGQUIT",
        shows=config("enclave", "StopSignal"),
        changed="SIGQUIT",
        removed="SIGINT",
    ),
    Trial(
        service="enclave",
        input="stopTimeout",
        key="stopGrace",
        before="5s",
        after="6s",
        shows=config("enclave", "StopTimeout"),
        changed=6,
        removed=10,
    ),
    Trial(
        service="enclave",
        input="destroyGraceSeconds",
        key="stopGrace",
        before="5s",
        after="6s",
        shows=stated("gix-enclave-container", "destroyGraceSeconds"),
        changed=6,
        removed=10,
        on_change=Effect.UPDATE,
        on_removal=Effect.UPDATE,
    ),
    Trial(
        service="enclave",
        input="envs",
        key="environment",
        before={"TRIAL": "one"},
        after={"TRIAL": "two"},
        shows=variable("enclave", "TRIAL"),
        changed="two",
        removed=None,
    ),
]


def router(site: Site) -> list[Trial]:
    """The inputs of the router's container that change in one update."""
    first, second = site.metrics_ports
    return [
        Trial(
            service="router",
            input="envs",
            key="rustLog",
            before="warn",
            after="debug",
            shows=variable("router", "RUST_LOG"),
            changed="debug",
            removed="info",
        ),
        Trial(
            service="router",
            input="ports",
            key="metricsPort",
            before=first,
            after=second,
            shows=published("router", 9001),
            changed=[second],
            removed=[],
        ),
        Trial(
            service="router",
            input="labels",
            key="labels",
            before={"team": "one"},
            after={"team": "two"},
            shows=lambda stack: inspected(stack, "router")["Config"]["Labels"].get("team"),
            changed="two",
            removed=None,
        ),
        Trial(
            service="router",
            input="user",
            key="user",
            before="1001:1001",
            after="1002:1002",
            shows=config("router", "User"),
            changed="1002:1002",
            removed="1000:1000",
        ),
        Trial(
            service="router",
            input="cpus",
            key="cpus",
            before=0.5,
            after=0.75,
            shows=host("router", "NanoCpus"),
            changed=750_000_000,
            removed=0,
        ),
        Trial(
            service="router",
            input="hosts",
            key="extraHosts",
            before={"ledger.test": "192.0.2.7"},
            after={"ledger.test": "192.0.2.8"},
            shows=host("router", "ExtraHosts"),
            changed=["ledger.test:192.0.2.8"],
            removed=None,
        ),
    ]


def auction(site: Site) -> list[Trial]:
    """The inputs of the auction's container that change in one update."""
    return [
        Trial(
            service="auction",
            input="envs",
            key="secretEnvironment",
            before={"TOKEN": site.sealed["first"]},
            after={"TOKEN": site.sealed["second"]},
            shows=variable("auction", "TOKEN"),
            changed="two",
            removed=None,
        ),
        Trial(
            service="auction",
            input="logDriver",
            key="logging.driver",
            before="json-file",
            after="local",
            shows=lambda stack: inspected(stack, "auction")["HostConfig"]["LogConfig"]["Type"],
            changed="local",
            removed="json-file",
        ),
        Trial(
            service="auction",
            input="logOpts",
            key="logging.options",
            before={"max-size": "5m"},
            after={"max-size": "6m"},
            shows=lambda stack: inspected(stack, "auction")["HostConfig"]["LogConfig"]["Config"],
            changed={"max-size": "6m"},
            removed={"max-size": "10m", "max-file": "3"},
        ),
        Trial(
            service="auction",
            input="capabilities",
            key="dropCapabilities",
            before=["CAP_NET_RAW"],
            after=["ALL"],
            shows=host("auction", "CapDrop"),
            changed=["ALL"],
            removed=None,
        ),
        Trial(
            service="auction",
            input="ulimits",
            key="ulimits",
            before={"nofile": {"soft": 1024, "hard": 1024}},
            after={"nofile": {"soft": 1024, "hard": 2048}},
            shows=host("auction", "Ulimits"),
            changed=[{"Name": "nofile", "Soft": 1024, "Hard": 2048}],
            removed=None,
        ),
        Trial(
            service="auction",
            input="securityOpts",
            key="noNewPrivileges",
            before=False,
            after=True,
            shows=host("auction", "SecurityOpt"),
            changed=["no-new-privileges:true"],
            removed=["no-new-privileges:false"],
        ),
    ]


def container_trials(site: Site) -> list[Trial]:
    """All trials of containers."""
    checks = [*health_check("router"), *health_check("auction")]
    return [MEMORY, MEMORY_SWAP, RESTART, *checks, INIT, TMPFS, *router(site), *auction(site), *ENCLAVE]


def tried_keys() -> dict[str, Any]:
    """The keys of any service that trials change as a whole, at their changed values, except those from the site."""
    whole = {trial.key: trial.after for trial in container_trials(NO_SITE) if "." not in trial.key}
    return {key: value for key, value in whole.items() if key not in ("metricsPort", "secretEnvironment")}


def beginning(site: Site) -> dict[str, Any]:
    """The keys of the stack's file before the first change."""
    return {f"{trial.service}.{trial.key}": trial.before for trial in container_trials(site)} | {
        "network.name": "trial-net",
        "network.subnet": site.subnets[0],
        "network.labels": {"team": "one"},
        "ledger.volume": "trial-data",
    }


def networks(act: Act, site: Site) -> list[Cell]:
    """Changes of the network that keep its name."""
    value = {
        "network.labels": {"team": "two"} if act is Act.CHANGE else REMOVED,
        "network.subnet": site.subnets[1] if act is Act.CHANGE else REMOVED,
    }
    shows: dict[str, tuple[str, Shows, Any]] = {
        "network.labels": ("labels", _network_label, "two" if act is Act.CHANGE else None),
        "network.subnet": ("ipamConfigs", _subnets, {site.subnets[1 if act is Act.CHANGE else 2]}),
    }
    return [
        Cell(
            resource="Network",
            input=name,
            act=act,
            key=key,
            value=value[key],
            resources=NETWORK,
            others=containers(),
            shows=show,
            expected=expected,
        )
        for key, (name, show, expected) in shows.items()
    ]


def _network(stack: StackUnderTest) -> dict[str, Any]:
    """The network of all the stack's containers."""
    [name] = {name for service in SERVICES for name in _networks(stack, service)}
    return dict(stack.client.networks.get(name).attrs)


def _networks(stack: StackUnderTest, service: str) -> list[str]:
    return list(inspected(stack, service)["NetworkSettings"]["Networks"])


def _network_label(stack: StackUnderTest) -> Any:
    return _network(stack)["Labels"].get("team")


def _subnets(stack: StackUnderTest) -> set[str]:
    return {pool["Subnet"] for pool in _network(stack)["IPAM"]["Config"]}


def names(act: Act, site: Site) -> list[Cell]:
    """The names of all objects. `prefix` changes them; removing it and their own keys brings back the defaults."""
    number = 1 if act is Act.CHANGE else 2
    prefix = site.prefixes[number]
    value = prefix if act is Act.CHANGE else REMOVED
    by_prefix: dict[str, Any] = {"act": act, "key": "prefix", "value": value}
    network_key = by_prefix if act is Act.CHANGE else {"act": act, "key": "network.name", "value": REMOVED}
    volume_key = by_prefix if act is Act.CHANGE else {"act": act, "key": "ledger.volume", "value": REMOVED}
    network = f"{prefix}-{'trial-net' if act is Act.CHANGE else 'gix-network'}"
    volume = f"{prefix}-{'trial-data' if act is Act.CHANGE else 'gcam-data'}"
    auction = containers(["auction"])
    return [
        Cell(
            resource="Container",
            input="name",
            **by_prefix,
            resources=containers(),
            shows=lambda stack: inspected(stack, "router")["Name"],
            expected=f"/{prefix}-gix-router",
        ),
        Cell(
            resource="Container",
            input="networksAdvanced",
            **network_key,
            resources=containers(),
            shows=lambda stack: _networks(stack, "router"),
            expected=[network],
        ),
        Cell(
            resource="Container",
            input="volumes",
            **volume_key,
            resources=auction,
            shows=lambda stack: [
                each["Name"] for each in inspected(stack, "auction")["Mounts"] if each["Type"] == "volume"
            ],
            expected=[volume],
        ),
        Cell(
            resource="Network",
            input="name",
            **network_key,
            resources=NETWORK,
            others=containers(),
            shows=lambda stack: _network(stack)["Name"],
            expected=network,
        ),
        Cell(
            resource="Volume",
            input="name",
            **volume_key,
            resources=VOLUME,
            others=auction,
            shows=lambda stack: (exists(stack, volume), marked(stack, f"{site.prefixes[0]}-trial-data")),
            expected=(True, True),
        ),
        Cell(
            resource="Image",
            input="imageName",
            **by_prefix,
            resources=images(),
            others=containers(),
            certain=False,
            effect=Effect.UPDATE,
            shows=_tagged(f"{prefix}-gix-router:latest"),
            expected=True,
        ),
    ]


def protected_volume(site: Site) -> Cell:
    """The volume's name, changed while the volume is protected."""
    return Cell(
        resource="Volume",
        input="name",
        act=Act.CHANGE,
        key="ledger.volume",
        value="other-data",
        resources=VOLUME,
        shows=lambda stack: (
            exists(stack, f"{site.prefixes[0]}-other-data"),
            marked(stack, f"{site.prefixes[0]}-trial-data"),
        ),
        expected=(False, True),
        effect=Effect.REFUSED,
    )


def exists(stack: StackUnderTest, volume: str) -> bool:
    try:
        return bool(stack.client.volumes.get(volume))
    except NotFound:
        return False


def mark(stack: StackUnderTest) -> None:
    """Write a mark to the auction's volume, so that a replaced volume can be recognized."""
    result = stack.client.containers.get(inspected(stack, "auction")["Id"]).exec_run(["touch", "/data/marked"])
    assert result.exit_code == 0, result.output


def marked(stack: StackUnderTest, volume: str) -> bool:
    """Whether a volume still has the file that `mark` wrote."""
    found = stack.client.containers.run(
        inspected(stack, "auction")["Image"], ["ls", "/data"], volumes=[f"{volume}:/data:ro"], remove=True
    )
    assert isinstance(found, bytes)
    return "marked" in found.decode().split()


def image_changes(site: Site) -> list[Cell]:
    """Changes of how images are built and pushed, and of the provider's inputs."""
    caches = [f"{site.registry}/gix-network/absent:v1"]
    return [
        _image("imageName", "images.tag", "v1", _tagged(f"{site.registry}/gix-network/router:v1"), True),
        _image("skipPush", "images.push", True, stated("gix-images-router-image", "skipPush"), False),
        _image("registry", "registry", site.log_in(), _pushed(site), True),
        _image("build.context", "source", "edited", _says_edited, True),
        _image("build.dockerfile", "images.way", "individual", _built("dockerfile"), "infra/docker/Dockerfile.router"),
        _image("build.target", "images.way", "individual", _built("target"), None),
        _image("build.args", "images.runtimeBase", site.base, of_image("router", "Config", "Labels", "base"), "other"),
        _image("build.cacheFrom", "images.cacheFrom", caches, _built("cacheFrom"), {"images": caches}),
        _image("build.platform", "images.platform", "linux/amd64/v1", _built("platform"), "linux/amd64/v1"),
        Cell(
            resource="Container",
            input="image",
            act=Act.CHANGE,
            key="source",
            value="edited",
            resources=containers(),
            shows=_says_edited,
            expected=True,
        ),
        _provider("registryAuth", "registry", site.log_in(), lambda stack: bool(_engine("registryAuth")(stack)), True),
        _provider("host", "engine.host", site.engine, _engine("host"), site.engine),
        _provider("certPath", "engine.certPath", site.certificates, _engine("certPath"), site.certificates),
    ]


def image_removals(site: Site) -> list[Cell]:
    """The same keys, removed from the stack's file."""
    expected: dict[str, tuple[Shows, Any]] = {
        "imageName": (_tagged(f"{site.prefixes[2]}-gix-router:latest"), True),
        "skipPush": (stated("gix-images-router-image", "skipPush"), True),
        "registry": (_pushed(site), False),
        "build.context": (_says_edited, False),
        "build.dockerfile": (_built("dockerfile"), "infra/docker/Dockerfile.rust-builder"),
        "build.target": (_built("target"), "router"),
        "build.args": (of_image("router", "Config", "Labels", "base"), None),
        "build.cacheFrom": (_built("cacheFrom"), None),
        "build.platform": (_built("platform"), "linux/amd64"),
        "image": (_says_edited, False),
        "registryAuth": (lambda stack: bool(_engine("registryAuth")(stack)), False),
        "host": (_engine("host"), None),
        "certPath": (_engine("certPath"), None),
    }
    return [_removal(cell, *expected[cell.input]) for cell in image_changes(site)]


def _removal(cell: Cell, shows: Shows, expected: Any) -> Cell:
    return Cell(
        resource=cell.resource,
        input=cell.input,
        act=Act.REMOVE,
        key=cell.key,
        value=REMOVED,
        resources=cell.resources,
        others=cell.others,
        certain=cell.certain,
        effect=cell.effect,
        shows=shows,
        expected=expected,
    )


def _image(name: str, key: str, value: Any, shows: Shows, expected: Any) -> Cell:
    return Cell(
        resource="Image",
        input=name,
        act=Act.CHANGE,
        key=key,
        value=value,
        resources=images(),
        others=containers(),
        certain=False,
        effect=Effect.UPDATE,
        shows=shows,
        expected=expected,
    )


def _provider(name: str, key: str, value: Any, shows: Shows, expected: Any) -> Cell:
    return Cell(
        resource="Provider",
        input=name,
        act=Act.CHANGE,
        key=key,
        value=value,
        resources=PROVIDER,
        effect=Effect.UPDATE,
        shows=shows,
        expected=expected,
    )


def _engine(name: str) -> Shows:
    return stated("gix-engine", name)


def _built(name: str) -> Shows:
    return stated("gix-images-router-image", "build", name)


def _tagged(name: str) -> Shows:
    return lambda stack: name in of_image("router", "RepoTags")(stack)


def _pushed(site: Site) -> Shows:
    return lambda stack: str(recorded(stack)["gix-images-router-image"]["outputs"]["repoDigest"]).startswith(
        site.registry
    )


def _says_edited(stack: StackUnderTest) -> bool:
    return EDITED_LINE.encode() in stack.client.containers.get(inspected(stack, "router")["Id"]).logs()


def digest(act: Act, value: Any) -> Cell:
    """A pulled image's name: by tag, and by digest."""
    return Cell(
        resource="RemoteImage",
        input="name",
        act=act,
        key="images.digests",
        value=REMOVED if act is Act.REMOVE else {"router": value},
        resources=images(["router"]),
        others=containers(["router"]),
        certain=False,
        shows=lambda stack: "@" in recorded(stack)["gix-images-router-image"]["inputs"]["name"],
        expected=act is Act.CHANGE,
    )


def edge_live() -> Cell:
    """The memory of the edge, which is applied to the running container."""
    return Cell(
        resource="Container",
        input="memory",
        act=Act.CHANGE,
        key="edge.memory",
        value="128MiB",
        resources=EDGE,
        shows=lambda stack: _edge(stack)["HostConfig"]["Memory"] // MIB,
        expected=128,
        effect=Effect.UPDATE,
    )


def edge_changes(image: str, ports: tuple[int, int]) -> list[Cell]:
    """Changes that replace the edge, one of them its image. They replace no service."""
    return [
        _of_edge("ports", "router.hostPort", ports[0], _edge_port(50051), [ports[0]]),
        _of_edge("ports", "edge.metricsPort", ports[1], _edge_port(EDGE_METRICS_PORT), [ports[1]]),
        _of_edge("envs", "edge.accessLog", True, _has_access_log, True),
        _of_edge("image", "edge.image", image, _edge_image, image),
        Cell(
            resource="RemoteImage",
            input="name",
            act=Act.CHANGE,
            key="edge.image",
            value=image,
            resources=frozenset({"gix-edge-image"}),
            others=EDGE,
            shows=stated("gix-edge-image", "name"),
            expected=image,
        ),
    ]


def edge_removals() -> list[Cell]:
    """The keys of the edge, removed."""
    return [
        _of_edge("memory", "edge.memory", REMOVED, lambda stack: _edge(stack)["HostConfig"]["Memory"], 0),
        _of_edge("ports", "edge.metricsPort", REMOVED, _edge_port(EDGE_METRICS_PORT), []),
        _of_edge("envs", "edge.accessLog", REMOVED, _has_access_log, False),
    ]


def other_edge_image(stack: StackUnderTest, name: str) -> str:
    """An image of the edge that differs from the present one by a label."""
    made = stack.client.containers.create(_edge(stack)["Image"])
    try:
        made.commit(*name.split(":"), changes="LABEL edge=other")
    finally:
        made.remove()
    return name


def _of_edge(name: str, key: str, value: Any, shows: Shows, expected: Any) -> Cell:
    return Cell(
        resource="Container",
        input=name,
        act=Act.REMOVE if value is REMOVED else Act.CHANGE,
        key=key,
        value=value,
        resources=EDGE,
        shows=shows,
        expected=expected,
    )


def _edge(stack: StackUnderTest) -> dict[str, Any]:
    wanted = [f"{STACK_LABEL}=gix/{stack.name}", EDGE_LABEL]
    [container] = stack.client.containers.list(filters={"label": wanted})
    return dict(container.attrs)


def _edge_port(inside: int) -> Shows:
    return lambda stack: [
        int(each["HostPort"]) for each in _edge(stack)["HostConfig"]["PortBindings"].get(f"{inside}/tcp", [])
    ]


def _edge_image(stack: StackUnderTest) -> str | None:
    tags: list[str] = stack.client.images.get(_edge(stack)["Image"]).tags
    return next((tag for tag in tags if tag.startswith(stack.name)), None)


def _has_access_log(stack: StackUnderTest) -> bool:
    return any("option httplog" in each for each in _edge(stack)["Config"]["Env"])
