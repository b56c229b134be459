"""Checks the image, the configuration and the certificate of the edge before the edge is replaced.

A hook writes the files of the certificate to the edge's volume, in a container without ports and network, and lets
HAProxy check them there. Then it moves them to where the edge reads them when it starts, and lets an edge that runs
read them: it need not be replaced. No command line and no variable has the private key, and Pulumi's state does not
record it.

In Swarm, these files are secrets, which the state has encrypted. The hook only lets HAProxy check a copy of them.
"""

import asyncio
import io
import tarfile
from typing import Any

import docker
import pulumi
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_components import haproxy, trial
from gix_engine import connection, haproxy_runtime
from gix_ledger import helper
from gix_model import container_inputs
from gix_model.edge_certificate import EdgeCertificate
from gix_model.environment import HELPER_LABEL, STACK_LABEL, Environment
from gix_model.settings import ServiceSettings

EDGE_USER = 99
"""The user haproxy of the official image."""
_NEW_DIRECTORY = f"{haproxy.LIVE_DIRECTORY}/next"
_INSTALL_COMMAND = f"mv -f {_NEW_DIRECTORY}/* {haproxy.LIVE_DIRECTORY}/ && rmdir {_NEW_DIRECTORY}"


class EdgeError(Exception):
    """The image or the certificate cannot be used. The text says why, what has changed, and what to do."""


class EdgeCheck(pulumi.ComponentResource):
    """Checks what the edge is made of, in a container without ports, and renews the certificate.

    `volume` is the name of the volume for `certificate`; None without one, and in Swarm.
    """

    image: pulumi.Output[str]
    """Id of the image, after the check."""
    before_the_container: ResourceHookBinding
    """Hooks for the container of the edge: they write the files of the certificate if the volume may not have them."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        image: pulumi.Input[str],
        certificate: EdgeCertificate | None,
        volume: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self._is_done = False

        async def attempt(args: ResourceHookArgs) -> None:
            await asyncio.to_thread(check, environment, str((args.new_inputs or {})["image"]), certificate)
            self._is_done = True

        async def ensure(args: ResourceHookArgs) -> None:
            # The volume may have been deleted together with the container, without a change of this component.
            if not self._is_done:
                await attempt(args)

        hook = ResourceHook(name, attempt)
        tls = None if certificate is None else haproxy.Tls(certificate=certificate)
        inputs = {"image": image, "configuration": haproxy.configuration(environment, tls)}
        if certificate is not None:
            inputs |= {"certificate": certificate.fingerprint, "volume": volume or ""}
        super().__init__(
            "gix:docker:EdgeCheck",
            name,
            inputs,
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(hooks=ResourceHookBinding(before_create=[hook], before_update=[hook]))
            ),
        )
        # Known only after the hook: what uses it is replaced after the check.
        self.image = pulumi.Output.all(image, self.urn).apply(lambda known: str(known[0]))
        self.before_the_container = ResourceHookBinding()
        if certificate is not None:
            self.before_the_container = ResourceHookBinding(before_create=[ResourceHook(f"{name}-ensure", ensure)])
        self.register_outputs({})


def check(environment: Environment, image: str, certificate: EdgeCertificate | None) -> None:
    """Let HAProxy check its configuration in a container of `image`, and put the certificate in its place.

    Raises EdgeError if HAProxy does not accept them, or if a running edge does not use the certificate.
    """
    client: docker.DockerClient = connection.connect(environment.settings.engine, environment.directory)
    container = None
    try:
        container = _create(client, environment, image, certificate)
        if certificate is not None:
            root = "/" if environment.is_swarm else haproxy.CERTIFICATES
            container.put_archive(root, _archive(certificate, root))
        container.start()
        if container.wait()["StatusCode"]:
            said = container.logs(stdout=True, stderr=True).decode(errors="replace")
            raise _refused(environment, said.strip())
    except (DockerException, OSError) as error:
        raise _refused(environment, str(error)) from error
    finally:
        if container is not None:
            helper.remove(container)
    if certificate is not None and not environment.is_swarm:
        _renew(client, environment)


def settings_of_the_edge(environment: Environment) -> ServiceSettings:
    """What the edge has in common with the services, and what is its own."""
    defaults = environment.settings.defaults
    return ServiceSettings.model_validate(
        {
            "restart": defaults.restart,
            "logging": defaults.logging,
            "healthCheck": defaults.health_check,
            "stopGrace": defaults.stop_grace,
            "memory": environment.settings.edge.memory,
            "user": f"{EDGE_USER}:{EDGE_USER}",
            "readOnlyRoot": True,
            "dropCapabilities": ["ALL"],
            "noNewPrivileges": True,
            "init": False,
            # HAProxy ends when its connections have ended, at the latest after `hard-stop-after`.
            "stopSignal": "SIGUSR1",
        }
    )


def _create(
    client: docker.DockerClient, environment: Environment, image: str, certificate: EdgeCertificate | None
) -> Container:
    options: dict[str, Any] = container_inputs.created(settings_of_the_edge(environment))
    # The log driver of the edge may keep nothing to read.
    options.pop("log_config", None)
    command, tls = haproxy.CHECK_COMMAND, None
    if certificate is not None:
        tls = haproxy.Tls(certificate=certificate, directory=_NEW_DIRECTORY)
    if certificate is not None and environment.is_swarm:
        # Nothing can be copied into a container whose root is read-only.
        options["read_only"] = False
    elif certificate is not None:
        command = f"{command} && {_INSTALL_COMMAND}"
        options["volumes"] = {environment.edge_volume: {"bind": haproxy.CERTIFICATES, "mode": "rw,nocopy"}}
    return client.containers.create(
        image,
        # The image must have bash: the runtime API of HAProxy is used by it.
        ["bash", "-c", command],
        entrypoint=[],
        environment={haproxy.VARIABLE: haproxy.configuration(environment, tls)},
        # If the update is killed, `gixctl doctor --fix` removes the container as it removes that of a trial.
        labels={
            STACK_LABEL: environment.label,
            HELPER_LABEL: trial.VERB,
            helper.WORK_LABEL: trial.VERB,
            helper.RESUME_LABEL: "nothing",
        },
        network_mode="none",
        **options,
    )


def _archive(certificate: EdgeCertificate, root: str) -> bytes:
    """The new files as a tar archive for the directory `root`. Only HAProxy's user can read them."""
    files = {haproxy.CERTIFICATE_FILE: certificate.chain + certificate.key}
    if certificate.client_ca is not None:
        files[haproxy.Tls(certificate=certificate).client_ca_file] = certificate.client_ca
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for directory in (haproxy.LIVE_DIRECTORY, _NEW_DIRECTORY):
            archive.addfile(_entry(directory, root, mode=0o700, type_=tarfile.DIRTYPE))
        for name, text in files.items():
            data = text.encode()
            archive.addfile(_entry(f"{_NEW_DIRECTORY}/{name}", root, mode=0o400, size=len(data)), io.BytesIO(data))
    return content.getvalue()


def _entry(path: str, root: str, *, mode: int, size: int = 0, type_: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.removeprefix(root).lstrip("/"))
    entry.mode, entry.size, entry.type = mode, size, type_
    entry.uid = entry.gid = EDGE_USER
    return entry


def _renew(client: docker.DockerClient, environment: Environment) -> None:
    """Let a running edge read its files again. An edge that starts later reads them itself."""
    try:
        edge = client.containers.get(environment.edge_name)
        if edge.status not in ("running", "paused"):
            return
        path = f"{haproxy.LIVE_DIRECTORY}/{haproxy.CERTIFICATE_FILE}"
        if path in haproxy_runtime.certificates(edge):
            haproxy_runtime.reload_certificate(edge, path)
            pulumi.log.info("the edge serves the certificate that is configured now")
    except NotFound:
        return
    except (DockerException, OSError) as error:
        raise EdgeError(
            f"gix:edge.certificate: the running edge {environment.edge_name} does not use the new certificate, and "
            f"serves the one before: {error}\nRun pulumi up again. If that fails, restart the edge, which interrupts "
            f"all services for some seconds: docker restart {environment.edge_name}"
        ) from error


def _refused(environment: Environment, reason: str) -> EdgeError:
    keys = f"gix:edge.image = {environment.settings.edge.image}"
    fix = "Set gix:edge.image to an image of HAProxy 2.6 or later that has bash: haproxy:2.8"
    if environment.has_tls:
        keys += ", or gix:edge.certificate"
        fix += ", and gix:edge.certificate to one that HAProxy accepts, if the reason is about the certificate"
    return EdgeError(f"{keys}: it cannot be the edge, so no container was replaced: {reason}\n{fix}")
