"""The edge in Swarm: HAProxy on each node, or on those with a label. It publishes the ports of the node it runs on.

They are not those of Swarm's ingress network, which needs IPVS in the kernel of each node.
"""

from datetime import timedelta
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_components import haproxy, health_check, swarm_secrets, swarm_service
from gix_components.edge_check import EDGE_USER, settings_of_the_edge
from gix_components.edge_parts import EdgeParts
from gix_components.swarm_rollout import Expected, Rollout
from gix_engine.haproxy_runtime import RUNTIME_API_PORT
from gix_model import swarm_spec
from gix_model.edge_certificate import EdgeCertificate
from gix_model.environment import EDGE_LABEL, STACK_LABEL, Environment
from gix_model.units import format_short_duration

_CONFIGURATION = "/usr/local/etc/haproxy/haproxy.cfg"
_TIME_TO_DELETE = timedelta(seconds=10)
_OWNER = swarm_secrets.Owner(uid=str(EDGE_USER), gid=str(EDGE_USER))


class SwarmEdge(pulumi.ComponentResource):
    """The service of HAProxy, on the `network` of the services, which is its id."""

    service_name: pulumi.Output[str]
    """Name of the service."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        network: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Edge", name, None, opts)
        settings = settings_of_the_edge(environment)
        parts = EdgeParts.declare(name, environment, parent=self)
        certificate = parts.certificate
        tls = None if certificate is None else haproxy.Tls(certificate=certificate, directory=swarm_secrets.SECRETS)
        configuration = swarm_secrets.config(
            "gix-edge-configuration",
            environment,
            haproxy.configuration(environment, tls),
            file=_CONFIGURATION,
            owner=_OWNER,
            parent=self,
        )
        labels = {STACK_LABEL: environment.label, EDGE_LABEL: "haproxy"}
        label = environment.settings.edge.node_label
        declaration: dict[str, Any] = {
            "labels": swarm_service.label_list(labels),
            "task_spec": {
                "container_spec": {
                    # Known after the check, so that the service changes after it.
                    "image": pulumi.Output.all(parts.image.repo_digest, parts.check.image).apply(
                        lambda known: _in_a_registry(environment, str(known[0]))
                    ),
                    "commands": ["haproxy", "-W", "-db", "-f", _CONFIGURATION],
                    "labels": swarm_service.label_list(labels),
                    "configs": [configuration],
                    "secrets": [] if certificate is None else self._certificate(environment, certificate),
                    "mounts": swarm_spec.tmpfs_mounts(settings),
                    "sysctl": haproxy.SYSCTLS,
                    **swarm_spec.container_spec(settings, health_check.tcp_probe(RUNTIME_API_PORT)),
                    # HAProxy ends after the grace of its own. The provider must not give up before it deletes the edge.
                    "stop_grace_period": format_short_duration(settings.stop_grace + _TIME_TO_DELETE),
                },
                "networks_advanceds": [
                    {"id": network, "aliases": ["edge", *(spec.hostname for spec in environment.specs)]}
                ],
                **swarm_spec.task_spec(settings, [] if label is None else [f"node.labels.{label.replace('=', '==')}"]),
            },
            "mode": {"global": True},
            "endpoint_spec": {
                "mode": environment.settings.network.endpoint,
                "ports": [
                    {
                        "target_port": each.internal,
                        "published_port": each.external,
                        "publish_mode": "host",
                        "protocol": "tcp",
                    }
                    for each in environment.published
                ],
            },
            # Two edges cannot publish one port of a node.
            "update_config": swarm_spec.update_config(order="stop-first", failure_action="rollback"),
            "rollback_config": swarm_spec.update_config(order="stop-first", failure_action="pause"),
        }
        service = docker.Service(
            f"{name}-service",
            name=environment.edge_name,
            opts=swarm_service.options(self),
            **declaration,
        )
        Rollout(
            f"{name}-rollout",
            environment,
            Expected(
                key="edge",
                name=environment.edge_name,
                healthy_within=timedelta(seconds=health_check.wait_seconds(settings.health_check)),
                stop_grace=settings.stop_grace,
            ),
            service_id=service.id,
            declaration=declaration,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.service_name = service.name
        self.register_outputs({"serviceName": self.service_name})

    def _certificate(self, environment: Environment, certificate: EdgeCertificate) -> list[dict[str, Any]]:
        """The files of the certificate, as secrets."""
        files = {"gix-edge-certificate": (haproxy.CERTIFICATE_FILE, certificate.chain + certificate.key)}
        if certificate.client_ca is not None:
            files["gix-edge-client-ca"] = (haproxy.Tls(certificate=certificate).client_ca_file, certificate.client_ca)
        return [
            swarm_secrets.secret(name, environment, text, file=file, owner=_OWNER, parent=self)
            for name, (file, text) in files.items()
        ]


def _in_a_registry(environment: Environment, digest: str) -> str:
    if "@" not in digest:
        raise pulumi.RunError(
            f"gix:edge.image = {environment.settings.edge.image}: no registry has it, and the nodes of a Swarm pull "
            "the image; push it, and set gix:edge.image to its name there"
        )
    return digest
