"""What the platform declares, with the defaults and with other settings."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest
from docker.errors import DockerException
from pydantic import SecretStr

from gix_components import image_builder
from gix_components.images import ServiceImages
from gix_components.network import ServiceNetwork
from gix_components.platform import GixPlatform
from gix_engine import connection
from gix_model.catalog import CATALOG
from tests.unit.declared import ENGINE_PLATFORM, Declared, Resource, configured, declare, environment


def platform(**config: Any) -> Declared:
    read = environment(**configured(config))
    return declare(lambda options: GixPlatform("gix", read, options))


@pytest.fixture(scope="module")
def described() -> Declared:
    """The platform with the defaults."""
    return platform()


def container(declared: Declared, service: str) -> Resource:
    return declared.resources[f"gix-{service}-container"]


def test_the_platform_is_an_image_and_a_container_for_each_service_a_network_and_a_volume(described: Declared) -> None:
    kinds = ("image:Image", "remoteImage:RemoteImage", "network:Network", "volume:Volume", "container:Container")
    counts = [len(described.of_type(f"docker:index/{kind}")) for kind in kinds]
    assert counts == [len(CATALOG), 0, 1, 1, len(CATALOG)]


def test_every_child_uses_the_explicit_provider(described: Declared) -> None:
    children = [resource for resource in described.resources.values() if resource.type.startswith("docker:")]
    assert children
    assert {resource.provider.partition("gix-engine")[1] for resource in children} == {"gix-engine"}


def test_the_network_is_a_bridge_with_the_default_subnet(described: Declared) -> None:
    inputs = described.resources["gix-network"].inputs
    assert (inputs["name"], inputs["driver"], inputs["ipamConfigs"]) == (
        "gix-network",
        "bridge",
        [{"subnet": "172.28.0.0/16"}],
    )


@pytest.mark.parametrize(
    ("service", "port", "program", "alias"),
    [
        ("router", 50051, "ajr-router", "router"),
        ("auction", 50052, "gcam-node", "auction"),
        ("enclave", 50053, "gsee-runtime", "enclave"),
    ],
)
def test_a_container_has_the_expected_name_port_program_and_host_name(
    described: Declared, service: str, port: int, program: str, alias: str
) -> None:
    inputs = container(described, service).inputs
    assert inputs["name"] == f"gix-{service}"
    assert inputs["ports"] == [{"internal": port, "external": port, "ip": "0.0.0.0", "protocol": "tcp"}]
    assert inputs["command"] == [program]
    assert inputs["networksAdvanced"] == [{"name": "gix-network", "aliases": [alias]}]


@pytest.mark.parametrize(("service", "port"), [("router", 50051), ("auction", 50052), ("enclave", 50053)])
def test_the_health_check_probes_the_service_s_own_port(described: Declared, service: str, port: int) -> None:
    assert container(described, service).inputs["healthcheck"] == {
        "tests": ["CMD-SHELL", f"timeout 2 bash -c '</dev/tcp/localhost/{port}' || exit 1"],
        "interval": "10s",
        "timeout": "3s",
        "startPeriod": "5s",
        "retries": 3,
    }


@pytest.mark.parametrize(
    ("check", "tests"),
    [
        ({"probe": "tcp"}, ["CMD-SHELL", "timeout 2 bash -c '</dev/tcp/localhost/50051' || exit 1"]),
        (
            {"probe": "grpc"},
            ["CMD", "grpc-health-probe", "-addr=localhost:50051", "-connect-timeout=2s", "-rpc-timeout=2s"],
        ),
        (
            {"probe": "grpc", "timeout": "2s"},
            ["CMD", "grpc-health-probe", "-addr=localhost:50051", "-connect-timeout=1.333s", "-rpc-timeout=1.333s"],
        ),
        (
            {"probe": "grpc", "timeout": "1ms"},
            ["CMD", "grpc-health-probe", "-addr=localhost:50051", "-connect-timeout=1ms", "-rpc-timeout=1ms"],
        ),
        ({"probe": "command", "command": ["check", "--port", 1]}, ["CMD", "check", "--port", "1"]),
    ],
)
def test_the_probe_is_that_of_the_configuration(check: dict[str, Any], tests: list[str]) -> None:
    inputs = container(platform(router={"healthCheck": check}), "router").inputs
    assert inputs["healthcheck"]["tests"] == tests


def test_the_trial_of_a_service_has_the_probe_of_its_container(described: Declared) -> None:
    declared = platform(router={"healthCheck": {"probe": "grpc"}})
    settings = {service: declared.resources[f"gix-{service}"].inputs["settings"] for service in ("router", "enclave")}
    for service, made_of in settings.items():
        assert made_of["probe"] == container(declared, service).inputs["healthcheck"]["tests"]
    # A service that keeps the default has the inputs from before there was a choice, so an upgrade tries nothing.
    assert settings["enclave"] == described.resources["gix-enclave"].inputs["settings"]
    assert not {"probe", "command"} & settings["enclave"]["healthCheck"].keys()


@pytest.mark.parametrize("way", ["multi-stage", "individual"])
def test_the_image_of_a_service_with_the_grpc_probe_alone_gets_its_program(way: str, described: Declared) -> None:
    declared = platform(
        images={"way": way, "grpcProbeImage": "mine/probe:v1"},
        router={"healthCheck": {"probe": "grpc"}},
        enclave={"healthCheck": {"probe": "command", "command": ["true"]}},
    )
    added = {}
    for service in CATALOG:
        before, after = (
            each.resources[f"gix-images-{service}-image"].inputs["build"]["args"] for each in (described, declared)
        )
        assert before.items() <= after.items()
        added[service] = {key: after[key] for key in after.keys() - before.keys()}
    assert added == {"router": {"PROBE": "grpc", "GRPC_PROBE_IMAGE": "mine/probe:v1"}, "auction": {}, "enclave": {}}


def test_the_key_of_the_compiled_dependencies_does_not_depend_on_the_probe() -> None:
    pushed: dict[str, Any] = {"images": {"push": True, "tag": "v1"}, "registry": {"address": "ghcr.io"}}
    other = {"images": pushed["images"] | {"grpcProbeImage": "mine/probe:v1"}}
    both = (platform(**pushed), platform(**pushed | other, defaults={"healthCheck": {"probe": "grpc"}}))
    names, args = zip(
        *(
            (image["imageName"], image["build"]["args"])
            for image in (each.resources["gix-images-rust-builder-image"].inputs for each in both)
        ),
        strict=True,
    )
    assert names[0] == names[1]
    assert args[0] == args[1]


def test_only_the_auction_mounts_the_ledger(described: Declared) -> None:
    mounts = {service: container(described, service).inputs["volumes"] for service in CATALOG}
    assert mounts.pop("auction") == [{"volumeName": "gcam-data", "containerPath": "/data"}]
    assert set(mounts) == CATALOG.keys() - {"auction"}
    assert all(volumes == [] for volumes in mounts.values())
    assert "GIX_DATA_DIR=/data" in container(described, "auction").inputs["envs"]
    assert "GIX_DATA_DIR=/data" not in container(described, "router").inputs["envs"]


def test_containers_have_the_settings_of_the_real_services(described: Declared) -> None:
    inputs = container(described, "auction").inputs
    wanted = {
        "workingDir": "/",
        "init": True,
        "stopSignal": "SIGINT",
        "stopTimeout": 10,
        "destroyGraceSeconds": 10,
        "user": "1000:1000",
        "restart": "unless-stopped",
    }
    assert {key: inputs[key] for key in wanted} == wanted


def test_a_container_uses_the_digest_of_its_image_and_no_tag(described: Declared) -> None:
    images = {service: container(described, service).inputs["image"] for service in CATALOG}
    assert images == {service: f"sha256:gix-images-{service}-image" for service in images}


def test_up_waits_longer_than_the_health_check_can_take(described: Declared) -> None:
    inputs = container(described, "router").inputs
    assert (inputs["wait"], inputs["waitTimeout"]) == (True, 5 + 4 * (10 + 3) + 5)


def test_a_changed_input_that_the_provider_only_records_replaces_the_container(described: Declared) -> None:
    options = container(described, "router").options
    assert {"healthcheck", "tmpfs", "init"} <= set(options.replace_on_changes or [])
    assert options.delete_before_replace is True


def test_a_memory_limit_is_changed_live_and_its_removal_replaces_the_container(described: Declared) -> None:
    limited = platform(defaults={"memory": "512MiB"})
    replacing = [container(each, "router").options.replace_on_changes or [] for each in (limited, described)]
    assert ["memory" in each for each in replacing] == [False, True]


def test_pulumi_never_deletes_or_replaces_the_ledger(described: Declared) -> None:
    options = described.resources["gix-ledger-volume"].options
    assert (options.retain_on_delete, options.protect, options.ignore_changes) == (True, True, ["labels"])


def test_only_the_ledger_s_volume_is_protected(described: Declared) -> None:
    protected = {name for name, resource in described.resources.items() if resource.options.protect}
    assert protected == {"gix-ledger-volume"}


def test_every_object_has_the_stack_s_label(described: Declared) -> None:
    mine = {"label": "io.gix.stack", "value": "gix/dev"}
    labelled = [
        "gix-network",
        "gix-ledger-volume",
        "gix-router-container",
        "gix-auction-container",
        "gix-enclave-container",
    ]
    assert [name for name in labelled if mine in described.resources[name].inputs["labels"]] == labelled


def test_images_are_targets_of_one_rust_builder(described: Declared) -> None:
    builds = {
        image.inputs["imageName"]: image.inputs["build"] for image in described.of_type("docker:index/image:Image")
    }
    targets = {name: build["target"] for name, build in builds.items()}
    assert targets == {f"gix-{service}:latest": spec.target for service, spec in CATALOG.items()}
    original = {"gix-router:latest": "router", "gix-auction:latest": "auction", "gix-enclave:latest": "execution"}
    assert original.items() <= targets.items()
    assert {build["dockerfile"] for build in builds.values()} == {"infra/docker/Dockerfile.rust-builder"}
    assert {build["context"] for build in builds.values()} == {"sample"}
    assert [build["args"] for build in builds.values()] == len(CATALOG) * [
        {
            "BUILDER_BASE": "rust:1.75-bookworm",
            "RUNTIME_BASE": "debian:bookworm-slim",
            "LTO": "fat",
            "PROFILE": "release",
        }
    ]


@pytest.mark.parametrize(("written", "wanted"), [("thin", "thin"), ("off", "off"), (False, "off")])
def test_link_time_optimization_and_profile_are_build_arguments(written: object, wanted: str) -> None:
    declared = platform(images={"lto": written, "profile": "quick", "buildArgs": {"EXTRA": "1"}})
    args = [image.inputs["build"]["args"] for image in declared.of_type("docker:index/image:Image")]
    assert [(each["LTO"], each["PROFILE"], each["EXTRA"]) for each in args] == 3 * [(wanted, "quick", "1")]


def test_given_individual_images_each_service_is_built_from_its_own_dockerfile() -> None:
    declared = platform(images={"way": "individual"})
    builds = [image.inputs["build"] for image in declared.of_type("docker:index/image:Image")]
    assert [build["dockerfile"] for build in builds] == [f"infra/docker/Dockerfile.{service}" for service in CATALOG]
    assert not any("target" in build for build in builds)


@pytest.mark.parametrize(
    ("images", "wanted"), [({}, ENGINE_PLATFORM), ({"platform": "linux/riscv64"}, "linux/riscv64")]
)
def test_images_are_built_for_the_configured_platform_or_else_for_that_of_the_engine(
    images: dict[str, str], wanted: str
) -> None:
    builds = [image.inputs["build"] for image in platform(images=images).of_type("docker:index/image:Image")]
    assert [build["platform"] for build in builds] == len(CATALOG) * [wanted]


def test_the_platform_of_the_engine_is_stated_as_the_provider_records_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(version=lambda: {"Os": "linux", "Arch": "amd64"})
    monkeypatch.setattr(connection, "connect", lambda *_: engine)
    assert image_builder.engine_platform(environment()) == "linux/amd64"


def test_given_an_engine_that_does_not_answer_an_unset_platform_is_an_error_with_its_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise DockerException("connection refused")

    monkeypatch.setattr(connection, "connect", refuse)
    with pytest.raises(pulumi.RunError, match=r"connection refused\); start the engine, or set gix:images.platform"):
        image_builder.engine_platform(environment())


def test_given_a_registry_and_push_image_names_begin_with_the_registry() -> None:
    declared = platform(images={"push": True, "tag": "v1"}, registry={"address": "ghcr.io"})
    names = {service: declared.resources[f"gix-images-{service}-image"].inputs["imageName"] for service in CATALOG}
    assert names == {service: f"ghcr.io/gix-network/{service}:v1" for service in names}
    assert not any(image.inputs["skipPush"] for image in declared.of_type("docker:index/image:Image"))


def test_given_push_the_compiled_dependencies_are_pushed_and_every_build_takes_layers_from_them() -> None:
    declared = platform(images={"push": True, "tag": "v1"}, registry={"address": "ghcr.io"})
    dependencies = declared.resources["gix-images-rust-builder-image"]
    assert re.fullmatch(r"ghcr\.io/gix-network/rust-builder:[0-9a-f]{16}", dependencies.inputs["imageName"])
    assert dependencies.inputs["build"]["target"] == "dependencies"
    assert dependencies.inputs["build"]["args"]["BUILDKIT_INLINE_CACHE"] == "1"
    caches = [image.inputs["build"]["cacheFrom"] for image in declared.of_type("docker:index/image:Image")]
    assert caches == 4 * [{"images": [dependencies.inputs["imageName"]]}]


def test_given_push_without_the_builder_only_the_services_are_built() -> None:
    declared = platform(images={"push": True, "pushBuilder": False, "tag": "v1"}, registry={"address": "ghcr.io"})
    builds = [image.inputs["build"] for image in declared.of_type("docker:index/image:Image")]
    assert ["cacheFrom" in build for build in builds] == 3 * [False]


def test_given_a_cache_local_images_have_a_name_that_the_provider_accepts() -> None:
    declared = platform(
        images={"cacheFrom": ["ghcr.io/gix-network/rust-builder", "localhost:5000/builder:main"]},
        registry={"address": "ghcr.io"},
    )
    built = {image.inputs["imageName"]: image.inputs for image in declared.of_type("docker:index/image:Image")}
    assert set(built) == {f"docker.io/library/gix-{service}:latest" for service in ("router", "auction", "enclave")}
    for inputs in built.values():
        keyed, tagged = inputs["build"]["cacheFrom"]["images"]
        assert re.fullmatch(r"ghcr\.io/gix-network/rust-builder:[0-9a-f]{16}", keyed)
        assert tagged == "localhost:5000/builder:main"
        assert (inputs["skipPush"], inputs["registry"]["server"]) == (True, "ghcr.io")


def test_given_digests_nothing_is_built_and_containers_run_the_pulled_images() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    declared = platform(
        images={"way": "registry", "digests": {"router": digest}}, registry={"address": "ghcr.io"}, services=["router"]
    )
    assert declared.of_type("docker:index/image:Image") == []
    [image] = declared.of_type("docker:index/remoteImage:RemoteImage")
    assert (image.inputs["name"], image.inputs["keepLocally"]) == (f"ghcr.io/gix-network/router@{digest}", True)
    assert container(declared, "router").inputs["image"] == "sha256:gix-images-router-image"


def test_given_digests_the_outputs_state_them_whatever_the_provider_does() -> None:
    """The provider of these tests states another digest, as the official one can with two registries on one host."""
    digest = "sha256:" + "0123456789abcdef" * 4
    config = configured(
        {
            "images": {"way": "registry", "digests": {"router": digest}},
            "registry": {"address": "127.0.0.1:5000"},
            "services": ["router"],
        }
    )
    stated: list[str] = []

    def program(options: pulumi.ResourceOptions) -> None:
        images = ServiceImages("gix-images", environment(**config), options)
        images.by_service["router"].digest.apply(stated.append)

    declare(program)
    assert stated == [f"127.0.0.1:5000/gix-network/router@{digest}"]


def test_given_a_prefix_every_name_on_the_engine_has_it_and_host_names_do_not() -> None:
    declared = platform(prefix="pr7")
    named = [resource.inputs["name"] for resource in declared.resources.values() if "name" in resource.inputs]
    wanted = ["pr7-gcam-data", "pr7-gix-network", *(f"pr7-gix-{service}" for service in CATALOG)]
    assert sorted(named) == sorted(wanted)
    assert container(declared, "auction").inputs["networksAdvanced"][0]["aliases"] == ["auction"]


def test_given_the_auction_alone_only_it_and_its_ledger_are_declared() -> None:
    declared = platform(services=["auction"])
    made = {name for name, resource in declared.resources.items() if resource.type.startswith("docker:")}
    assert made == {"gix-images-auction-image", "gix-network", "gix-ledger-volume", "gix-auction-container"}


def test_the_network_and_every_container_wait_until_the_ledger_is_backed_up(described: Declared) -> None:
    ledger = described.resources["gix-ledger"]
    assert ledger.inputs == {"volume": "gcam-data", "container": "gix-auction", "engine": {}}
    assert ledger.options.hooks
    assert ledger.options.hooks.before_update
    platforms: list[GixPlatform] = []
    declare(lambda options: platforms.append(GixPlatform("gix", environment(), options)))
    [platform] = platforms
    assert platform.ledger
    backed_up = platform.ledger.volume_name
    assert [each for each in platform.network._after if each is backed_up]


class Waited:
    """An output that notes in `events` that somebody waits for it."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    async def future(self) -> None:
        self.events.append("waited")


@pytest.mark.parametrize(
    ("creates", "take_over", "is_at_once"),
    [(True, False, True), (False, False, False), (True, True, False)],
    ids=["first_update", "later_update", "first_update_with_take_over"],
)
def test_only_a_network_that_replaces_nothing_is_created_before_the_trials(
    own_source: str, monkeypatch: pytest.MonkeyPatch, *, creates: bool, take_over: bool, is_at_once: bool
) -> None:
    events: list[str] = []
    new_resource = Declared.new_resource

    def note(declared: Declared, args: pulumi.runtime.MockResourceArgs) -> Any:
        events.append(args.name)
        hooks = declared.options[args.name].hooks or pulumi.ResourceHookBinding()
        # Pulumi runs these hooks in the update that creates the component.
        if creates:
            for hook in hooks.before_create or []:
                cast("pulumi.ResourceHook", hook).callback(cast("Any", None))
        return new_resource(declared, args)

    monkeypatch.setattr(Declared, "new_resource", note)
    read = environment(**configured({"source": own_source, "takeOver": take_over}))

    def program(options: pulumi.ResourceOptions) -> None:
        network = ServiceNetwork("gix", read, after=[cast("Any", Waited(events))], opts=options)
        network.network_name.apply(lambda _: events.append("name known"))

    declare(program)
    assert (events.index("gix-network") < events.index("waited")) == is_at_once
    assert events.index("waited") < events.index("name known"), "no container changes before the trials"


def test_given_no_auction_no_volume_is_declared() -> None:
    assert platform(services=["router"]).of_type("docker:index/volume:Volume") == []


def test_given_adoption_the_volume_is_imported_under_its_own_name(own_source: str) -> None:
    declared = platform(source=own_source, ledger={"adopt": True})
    assert declared.resources["gix-ledger-volume"].options.import_ == "gcam-data"


def test_given_a_hardened_service_its_container_is_hardened() -> None:
    declared = platform(
        defaults={
            "readOnlyRoot": True,
            "dropCapabilities": ["ALL"],
            "noNewPrivileges": True,
            "memory": "512MiB",
            "cpus": "0.5",
        }
    )
    inputs = container(declared, "enclave").inputs
    assert inputs["readOnly"] is True
    assert inputs["tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
    assert inputs["capabilities"] == {"drops": ["ALL"]}
    assert inputs["securityOpts"] == ["no-new-privileges:true"]
    assert (inputs["memory"], inputs["memorySwap"], inputs["cpus"]) == (512, 1024, "0.5")


def test_given_settings_of_one_service_the_others_keep_the_defaults() -> None:
    declared = platform(defaults={"rustLog": "warn"}, router={"rustLog": "debug", "environment": {"A": 1}})
    assert container(declared, "router").inputs["envs"] == ["RUST_LOG=debug", "RUST_BACKTRACE=0", "A=1"]
    assert container(declared, "enclave").inputs["envs"] == ["RUST_LOG=warn", "RUST_BACKTRACE=0"]


def test_given_an_unpublished_service_no_host_port_is_used() -> None:
    declared = platform(enclave={"publish": False}, router={"metricsPort": 9100, "bindAddress": "127.0.0.1"})
    assert container(declared, "enclave").inputs["ports"] == []
    assert container(declared, "router").inputs["ports"] == [
        {"internal": 50051, "external": 50051, "ip": "127.0.0.1", "protocol": "tcp"},
        {"internal": 9001, "external": 9100, "ip": "127.0.0.1", "protocol": "tcp"},
    ]


def test_given_secret_variables_they_reach_the_container_as_secrets() -> None:
    declared = platform(router={"secretEnvironment": {"TOKEN": SecretStr("hunter2")}})
    assert {"TOKEN=hunter2", "RUST_LOG=info"} <= set(container(declared, "router").inputs["envs"])
    assert container(declared, "router").secrets == {"envs"}
    assert container(declared, "auction").secrets == set()


def test_given_a_restart_policy_with_retries_both_are_stated() -> None:
    inputs = container(platform(router={"restart": "on-failure:3"}), "router").inputs
    assert (inputs["restart"], inputs["maxRetryCount"]) == ("on-failure", 3)


def test_given_another_log_driver_no_rotation_options_are_set() -> None:
    declared = platform(router={"logging": {"driver": "journald"}})
    assert "logOpts" not in container(declared, "router").inputs
    assert container(declared, "auction").inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}


def test_given_takeover_hooks_remove_the_old_containers_and_without_it_there_are_none(
    described: Declared, own_source: str
) -> None:
    taking_over = platform(source=own_source, takeOver=True)
    # A container has one more hook, which releases its ports.
    for name, more in (("gix-network", 0), ("gix-router-container", 1)):
        hooks, without = taking_over.resources[name].options.hooks, described.resources[name].options.hooks
        assert hooks
        assert without
        assert (len(hooks.before_create or []), len(without.before_create or [])) == (1 + more, more)
