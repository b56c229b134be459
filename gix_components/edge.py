"""The edge: HAProxy in a container that publishes the ports of all services, with `gix:rollout.strategy: start-first`.

The host names of the services are those of the edge. It finds the containers of a service by the engine's DNS, under
the host name of the service and `-backend`, so that a second container of a service gets requests without a change of
the edge. `gix_components.handover` tells it which container to leave out before that container is deleted.
"""

import asyncio
from typing import Any

import docker
import pulumi
import pulumi_docker
from docker.errors import ContainerError, DockerException
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_components import haproxy, health_check, trial
from gix_engine import connection
from gix_ledger import helper
from gix_model import container_inputs
from gix_model.environment import EDGE_LABEL, HELPER_LABEL, STACK_LABEL, Environment
from gix_model.settings import ServiceSettings

_USER = "99:99"
"""The user haproxy of the official image."""


class EdgeError(Exception):
    """The image cannot be the edge. The text says why, that nothing has changed, and what to do."""


class Edge(pulumi.ComponentResource):
    """The container of HAProxy, on the `network` of the services. `hooks` are bound to the container."""

    container_name: pulumi.Output[str]
    """Name of the container."""
    container_id: pulumi.Output[str]
    """Id of the container."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        network: pulumi.Input[str],
        hooks: pulumi.ResourceHookBinding,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Edge", name, None, opts)
        settings = _settings(environment)
        image = pulumi_docker.RemoteImage(
            f"{name}-image",
            name=environment.settings.edge.image,
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        checked = EdgeCheck(
            f"{name}-check", environment, image=image.image_id, opts=pulumi.ResourceOptions(parent=self)
        )
        labels = {STACK_LABEL: environment.label, EDGE_LABEL: "haproxy"}
        container = pulumi_docker.Container(
            f"{name}-container",
            name=environment.edge_name,
            image=checked.image,
            command=["sh", "-c", haproxy.COMMAND],
            envs=[f"{haproxy.VARIABLE}={haproxy.configuration(environment)}"],
            healthcheck=health_check.arguments(health_check.tcp_probe(haproxy.RUNTIME_API_PORT), settings.health_check),
            working_dir="/",
            hostname="edge",
            ports=[
                pulumi_docker.ContainerPortArgs(
                    internal=each.internal, external=each.external, ip=each.address, protocol="tcp"
                )
                for spec in environment.specs
                for each in environment.host_ports(spec)
            ],
            networks_advanced=[
                pulumi_docker.ContainerNetworksAdvancedArgs(
                    name=network, aliases=["edge", *(spec.hostname for spec in environment.specs)]
                )
            ],
            labels=[pulumi_docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
            must_run=True,
            wait=True,
            wait_timeout=health_check.wait_seconds(settings.health_check),
            **container_inputs.declared(settings),
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_on_changes=container_inputs.replaced_on_changes(settings),
                delete_before_replace=True,
                hooks=hooks,
            ),
        )
        self.container_name = container.name
        self.container_id = container.id
        self.register_outputs({"containerName": self.container_name})


class EdgeCheck(pulumi.ComponentResource):
    """Checks an image and the configuration of the edge in a container without ports, before the edge is replaced."""

    image: pulumi.Output[str]
    """Id of the image, after the check."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        image: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        configuration = haproxy.configuration(environment)

        async def attempt(args: ResourceHookArgs) -> None:
            await asyncio.to_thread(check, environment, str((args.new_inputs or {})["image"]), configuration)

        hook = ResourceHook(name, attempt)
        hooks = ResourceHookBinding(before_create=[hook], before_update=[hook])
        super().__init__(
            "gix:docker:EdgeCheck",
            name,
            {"image": image, "configuration": configuration},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        # Known only after the hook: what uses it is replaced after the check.
        self.image = pulumi.Output.all(image, self.urn).apply(lambda known: str(known[0]))
        self.register_outputs({})


def check(environment: Environment, image: str, configuration: str) -> None:
    """Let HAProxy check its configuration in a container of `image`. Raises EdgeError if it does not accept it."""
    client: docker.DockerClient = connection.connect(environment.settings.engine, environment.directory)
    options: dict[str, Any] = container_inputs.created(_settings(environment))
    options.pop("log_config", None)
    try:
        client.containers.run(
            image,
            # The image must have bash: the runtime API of HAProxy is used by it.
            ["bash", "-c", haproxy.CHECK_COMMAND],
            entrypoint=[],
            environment={haproxy.VARIABLE: configuration},
            # If the update is killed, `gixctl doctor --fix` removes the container as it removes that of a trial.
            labels={
                STACK_LABEL: environment.label,
                HELPER_LABEL: trial.VERB,
                helper.WORK_LABEL: trial.VERB,
                helper.RESUME_LABEL: "nothing",
            },
            network_mode="none",
            remove=True,
            stderr=True,
            **options,
        )
    except ContainerError as error:
        said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr)
        raise _refused(environment, said.strip()) from error
    except DockerException as error:
        raise _refused(environment, str(error)) from error


def _refused(environment: Environment, reason: str) -> EdgeError:
    return EdgeError(
        f"gix:edge.image = {environment.settings.edge.image}: it cannot be the edge, so no container was replaced: "
        f"{reason}\nSet it to an image of HAProxy 2.6 or later that has bash: haproxy:2.8"
    )


def _settings(environment: Environment) -> ServiceSettings:
    """What the edge has in common with the services, and what is its own."""
    defaults = environment.settings.defaults
    return ServiceSettings.model_validate(
        {
            "restart": defaults.restart,
            "logging": defaults.logging,
            "healthCheck": defaults.health_check,
            "stopGrace": defaults.stop_grace,
            "memory": environment.settings.edge.memory,
            "user": _USER,
            "readOnlyRoot": True,
            "dropCapabilities": ["ALL"],
            "noNewPrivileges": True,
            "init": False,
            # HAProxy ends when its connections have ended, at the latest after `hard-stop-after`.
            "stopSignal": "SIGUSR1",
        }
    )
