"""A service of the platform as a service of Swarm."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_components import health_check, sole_writer, swarm_secrets
from gix_components.swarm_rollout import Expected, Rollout
from gix_model import swarm_spec
from gix_model.catalog import DATA_DIRECTORY, ServiceSpec
from gix_model.environment import SERVICE_LABEL, STACK_LABEL, Environment

_RUN_WITH_SECRETS = f"""\
for file in {swarm_secrets.SECRETS}/*; do
    value=$(cat "$file"; printf .)
    export "${{file##*/}}=${{value%.}}"
done
exec "$@"
"""
"""A script that has the files of secrets as variables, under their names, for the program that it becomes."""


def declare(
    name: str,
    environment: Environment,
    spec: ServiceSpec,
    *,
    image: pulumi.Input[str],
    variables: Mapping[str, str],
    network: pulumi.Input[str],
    volume: pulumi.Input[str] | None,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """Declare the service, and wait for its tasks. Returns its name.

    `image` is REPOSITORY@sha256:..., `variables` are its environment without secrets, `network` is the id of the
    network, `volume` the name of the ledger's volume. `name` begins the names of the resources.
    """
    settings, replicas = environment.services[spec.name], environment.replicas(spec)
    owner = swarm_secrets.Owner.for_user(settings.user)
    secrets = [
        swarm_secrets.secret(
            f"{spec.container}-{key.lower().replace('_', '-')}",
            environment,
            value.get_secret_value(),
            file=key,
            owner=owner,
            parent=parent,
        )
        for key, value in sorted(settings.secret_environment.items())
    ]
    mounts = swarm_spec.tmpfs_mounts(settings)
    if volume is not None:
        mounts.append({"target": DATA_DIRECTORY, "type": "volume", "source": volume})
    constraints = [f"node.hostname=={environment.settings.ledger.node}"] if spec.keeps_ledger else []
    # Two auctions must not write one ledger, also not for a moment.
    order, on_failure = ("stop-first", "pause") if spec.keeps_ledger else ("start-first", "rollback")
    labels = {STACK_LABEL: environment.label, SERVICE_LABEL: spec.name}
    program = ["sh", "-euc", _RUN_WITH_SECRETS, "run", spec.binary] if secrets else [spec.binary]
    declaration: dict[str, Any] = {
        "labels": label_list(labels | settings.labels),
        "task_spec": {
            "container_spec": {
                "image": image,
                "args": program,
                "env": dict(variables),
                "labels": label_list(labels),
                "mounts": mounts,
                "secrets": secrets,
                **swarm_spec.container_spec(settings, health_check.probe(spec, settings.health_check)),
            },
            "networks_advanceds": [{"id": network}],
            **swarm_spec.task_spec(settings, constraints),
        },
        "mode": {"replicated": {"replicas": replicas}},
        "endpoint_spec": {"mode": environment.settings.network.endpoint},
        "update_config": swarm_spec.update_config(order=order, failure_action=on_failure, replicas=replicas),
        "rollback_config": swarm_spec.update_config(order=order, failure_action="pause", replicas=replicas),
    }
    hooks = sole_writer.require(f"{name}-sole-writer", environment) if spec.keeps_ledger else None
    service = docker.Service(
        f"{name}-service",
        name=environment.name(spec.container),
        opts=pulumi.ResourceOptions.merge(options(parent), pulumi.ResourceOptions(hooks=hooks)),
        **declaration,
    )
    Rollout(
        f"{name}-rollout",
        environment,
        Expected(
            key=spec.name,
            name=environment.name(spec.container),
            healthy_within=timedelta(seconds=health_check.wait_seconds(settings.health_check)),
            stop_grace=settings.stop_grace,
        ),
        service_id=service.id,
        declaration=declaration,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return service.name


def options(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    """The options of a service of Swarm."""
    return pulumi.ResourceOptions(
        parent=parent,
        delete_before_replace=True,
        # The provider changes it only in its record.
        replace_on_changes=["endpointSpec.mode"],
        # When it creates a service, the provider adds those of the image. Each refresh would find a difference.
        ignore_changes=["taskSpec.placement.platforms"],
    )


def label_list(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Labels in the provider's form."""
    return [{"label": label, "value": value} for label, value in labels.items()]
