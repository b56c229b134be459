"""A program of another project: the GIX platform, and a container of its own that watches the router."""

import pulumi
import pulumi_docker as docker

from gix_components import GixPlatform, ServiceArgs, configuration, preflight

config = pulumi.Config()

environment = configuration.from_code(
    source=config.require("source"),
    prefix=config.require("prefix"),
    network={"subnet": config.require("subnet")},
    ledger={"protect": False},
    defaults={"publish": False, "health_check": {"interval": "1s"}},
    router=ServiceArgs(publish=True, bind_address="127.0.0.1", host_port=config.require_int("port")),
)
preflight.check(environment)

platform = GixPlatform("gix", environment)

host, _, port = platform.services["router"].address.partition(":")
probe = f"timeout 2 bash -c '</dev/tcp/{host}/{port}'"
watch = docker.Container(
    "watch",
    name=environment.name("watch"),
    image=platform.images.by_service["router"].id,
    command=["bash", "-c", f"while sleep 1; do {probe} && echo the router answers; done"],
    healthcheck=docker.ContainerHealthcheckArgs(
        tests=["CMD-SHELL", probe], interval="1s", timeout="3s", start_period="5s", retries=3
    ),
    init=True,
    wait=True,
    networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=platform.network.network_name)],
    opts=pulumi.ResourceOptions(provider=platform.provider, depends_on=[platform]),
)

# What gixctl reads, and other stacks.
for name, value in platform.outputs.items():
    pulumi.export(name, value)
pulumi.export("watch", watch.name)
