"""`docker.Service`."""

import time
from collections.abc import Collection
from typing import Any, ClassVar, Final

from pulumi.provider.experimental.provider import PropertyDiffKind

from offline.docker_plugin.diff import Changes, replaced_properties
from offline.docker_plugin.durations import nanoseconds
from offline.docker_plugin.engine import Engine, registry_host
from offline.docker_plugin.errors import PartialFailureError, PluginError, readable
from offline.docker_plugin.resources import convergence
from offline.docker_plugin.resources.base import Check, Context, Resource, State, without_defaults
from offline.docker_plugin.resources.records import as_recorded, completed
from offline.docker_plugin.resources.service_inputs import (
    AUTH,
    CONVERGE_CONFIG,
    ENDPOINT_SPEC,
    MODE,
    ROLLBACK_CONFIG,
    TASK_SPEC,
    UPDATE_CONFIG,
)
from offline.docker_plugin.resources.service_spec import engine_spec, read_outputs
from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.schema import Kind, Problem, Prop, ResourceSchema
from offline.docker_plugin.values import Props

_NO_GRACE: Final = "0s"
_SECOND: Final = 1_000_000_000
_ALLOCATION_SECONDS: Final = 30.0
_ALLOCATION_POLL_SECONDS: Final = 0.1
_READ_DELAY_SECONDS: Final = 2.0
"""How long after an update the official plugin reads the service. A roll-back within this time is recorded."""

_NETWORKS: Final = "taskSpec.networksAdvanceds"
_NULL_MAPS: Final = ("env", "sysctl")


class Service(Resource):
    """A service of a Swarm. Most changes are applied by the Swarm, in the order that `updateConfig` states."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "auth": Prop(kind=Kind.OBJECT, force_new=True, fields=AUTH),
            "convergeConfig": Prop(kind=Kind.OBJECT, fields=CONVERGE_CONFIG),
            "endpointSpec": Prop(kind=Kind.OBJECT, computed=True, fields=ENDPOINT_SPEC),
            "labels": Prop(kind=Kind.SET, computed=True, fields=LABEL),
            "mode": Prop(kind=Kind.OBJECT, computed=True, fields=MODE),
            "name": Prop(force_new=True),
            "rollbackConfig": Prop(kind=Kind.OBJECT, fields=ROLLBACK_CONFIG),
            "taskSpec": Prop(kind=Kind.OBJECT, required=True, fields=TASK_SPEC),
            "updateConfig": Prop(kind=Kind.OBJECT, fields=UPDATE_CONFIG),
        },
        form='{"schema_version":"2"}',
    )

    def check(self, context: Context, request: Check) -> tuple[Props, list[Problem]]:
        """Refuse to wait for a global service, too, as the official plugin does."""
        inputs, problems = super().check(context, request)
        if inputs.get("convergeConfig") is not None and (inputs.get("mode") or {}).get("global"):
            problems.append(Problem("convergeConfig", "conflicts with mode.0.global: leave one of them out"))
        return inputs, problems

    def diff(self, *, old_outputs: Props, inputs: Props, ignored: Collection[str]) -> Changes:
        """Find what an update would change, with what the official plugin names besides."""
        found = super().diff(
            old_outputs=_with_ratios_as_numbers(old_outputs), inputs=_with_ratios_as_numbers(inputs), ignored=ignored
        )
        if not found:
            return found
        replaces = bool(replaced_properties(found))
        networks = {path for path in found if path.startswith(f"{_NETWORKS}[")}
        named = {path: kind for path, kind in found.items() if path not in networks}
        named |= _null_maps(old_outputs, inputs, replaces=replaces)
        named |= {_NETWORKS: PropertyDiffKind.UPDATE} if networks else {}
        return named | (
            {"__meta": PropertyDiffKind.UPDATE_REPLACE} if replaces and not replaced_properties(named) else {}
        )

    def create(self, context: Context, inputs: Props) -> State:
        """Create the service. With `convergeConfig`, wait until its tasks run, or remove it again."""
        from docker.errors import APIError

        engine, spec = context.engine, engine_spec(completed(self.schema.inputs, without_defaults(inputs), {}))
        credentials = _credentials(engine, inputs)
        _resolve_image(engine, spec["TaskTemplate"], credentials)
        try:
            service_id: str = engine.api.create_service_from_spec(spec, credentials)["ID"]
        except APIError as error:
            raise PluginError(readable(error)) from error
        if inputs.get("convergeConfig"):
            try:
                convergence.await_creation(engine.api, service_id, inputs["convergeConfig"])
            except PluginError:
                _delete(engine, service_id, self.planned(inputs, {}))
                raise
        return State(service_id, self._recorded(engine, service_id, inputs))

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the service of that id or, if there is none, of that name."""
        services = context.engine.api.services()
        mine = (resource_id, outputs.get("name"))
        found = next((each for each in services if each["ID"] in mine or each["Spec"]["Name"] in mine[1:]), None)
        if found is None:
            return None
        kept = {name: outputs.get(name) for name in self.schema.inputs}
        read = kept | read_outputs(_allocated(context.engine, found["ID"]))
        return State(found["ID"], read, self.read_inputs(inputs, read))

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Change the service. With `convergeConfig`, wait until the Swarm has done so, or has given up."""
        from docker.errors import APIError

        engine = context.engine
        spec = engine_spec(completed(self.schema.inputs, without_defaults(inputs), outputs))
        try:
            version = engine.api.inspect_service(resource_id)["Version"]["Index"]
            engine.api.update_service_from_spec(resource_id, version, spec, _credentials(engine, inputs))
            if inputs.get("convergeConfig"):
                convergence.await_update(engine.api, resource_id, inputs["convergeConfig"])
        except (APIError, PluginError) as error:
            # The state then has what the program wants, as under the official plugin, whatever the Swarm has done.
            planned = self.planned(inputs, outputs)
            raise PartialFailureError(readable(error), resource_id=resource_id, outputs=planned) from error
        time.sleep(_READ_DELAY_SECONDS)
        return self._recorded(engine, resource_id, inputs)

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the service, and the containers that its tasks have on this engine."""
        _delete(context.engine, resource_id, outputs)

    def planned(self, inputs: Props, old_outputs: Props | None) -> Props:
        """Return the outputs that a preview shows and a failed update records."""
        planned = super().planned(inputs, old_outputs)
        before = old_outputs or {}
        return planned | completed(
            self.schema.inputs, {name: value for name, value in planned.items() if name in self.schema.inputs}, before
        )

    def _recorded(self, engine: Engine, service_id: str, inputs: Props) -> Props:
        stated = without_defaults({name: value for name, value in inputs.items() if name in self.schema.inputs})
        found = dict.fromkeys(self.schema.inputs) | stated | read_outputs(_allocated(engine, service_id))
        return as_recorded(self.schema.inputs, stated, found)


def _allocated(engine: Engine, service_id: str) -> dict[str, Any]:
    """Inspect a service when the Swarm has chosen how its name is resolved."""
    deadline = time.monotonic() + _ALLOCATION_SECONDS
    while True:
        service: dict[str, Any] = engine.api.inspect_service(service_id)
        specs = ((service.get("Endpoint") or {}).get("Spec"), service["Spec"].get("EndpointSpec"))
        if any((each or {}).get("Mode") for each in specs):
            return service
        if time.monotonic() >= deadline:
            raise PluginError(f"service {service_id} has no endpoint mode after {_ALLOCATION_SECONDS:.0f} s")
        time.sleep(_ALLOCATION_POLL_SECONDS)


def _resolve_image(engine: Engine, task: dict[str, Any], credentials: dict[str, str]) -> None:
    """Write the image with the digest that the registry has for it, and its platforms, if the registry answers.

    Docker's own client does so before it creates a service, but not before it updates one.
    """
    from docker.errors import APIError

    image = task["ContainerSpec"]["Image"]
    if "@" not in image and ":" not in image.rsplit("/", 1)[-1]:
        image = f"{image}:latest"
    task["ContainerSpec"]["Image"] = image
    try:
        found = engine.api.inspect_distribution(image, auth_config=credentials)
    except APIError:
        return
    if "@" not in image:
        task["ContainerSpec"]["Image"] = f"{image}@{found['Descriptor']['digest']}"
    if found.get("Platforms"):
        task["Placement"]["Platforms"] = [
            {"Architecture": platform.get("architecture", ""), "OS": platform.get("os", "")}
            for platform in found["Platforms"]
        ]


def _credentials(engine: Engine, inputs: Props) -> dict[str, str]:
    """Return the login with which the nodes pull the image. Empty for none."""
    stated = inputs.get("auth")
    if stated:
        login = {"username": stated.get("username") or "", "password": stated.get("password") or ""}
        return login | {"serveraddress": stated["serverAddress"]} if all(login.values()) else {}
    image = str(inputs["taskSpec"]["containerSpec"]["image"])
    return engine.pull_credentials(registry_host(image)) if "/" in image else {}


def _delete(engine: Engine, service_id: str, outputs: Props) -> None:
    from docker.errors import APIError

    grace = outputs["taskSpec"]["containerSpec"].get("stopGracePeriod") or _NO_GRACE
    # They are no longer known when the service is gone.
    containers = list(_containers(engine, outputs["name"])) if grace != _NO_GRACE else []
    try:
        engine.api.remove_service(service_id)
    except APIError as error:
        raise PluginError(f"Error deleting service with ID '{service_id}': {readable(error)}") from error
    for container_id in containers:
        _remove_container(engine, container_id, grace_seconds=nanoseconds(grace) / _SECOND)


def _containers(engine: Engine, name: str) -> Collection[str]:
    tasks = engine.api.tasks({"service": name})
    statuses = [task["Status"] for task in tasks if task["Status"]["State"] != "shutdown"]
    found = [(status.get("ContainerStatus") or {}).get("ContainerID") for status in statuses]
    return [container_id for container_id in found if container_id]


def _remove_container(engine: Engine, container_id: str, *, grace_seconds: float) -> None:
    """Wait until the Swarm has removed a container. One on another node counts as removed."""
    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    try:
        engine.api.wait(container_id, timeout=grace_seconds, condition="removed")
    except NotFound:
        pass
    except (APIError, RequestException) as error:
        reason = readable(error) if isinstance(error, APIError) else "context deadline exceeded"
        raise PluginError(f"error on wait for container with ID '{container_id}': {reason}") from error
    try:
        engine.api.remove_container(container_id, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if "is already in progress" not in str(error.explanation):
            raise PluginError(f"Error deleting container with ID '{container_id}': {readable(error)}") from error


def _with_ratios_as_numbers(props: Props) -> Props:
    """Convert the ratios, of which "0" and "0.0" are the same."""
    configs = {name: props.get(name) for name in ("updateConfig", "rollbackConfig")}
    converted = {
        name: {**config, "maxFailureRatio": float(config["maxFailureRatio"])}
        for name, config in configs.items()
        if isinstance(config, dict) and _is_number(config.get("maxFailureRatio"))
    }
    return props | converted


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def _null_maps(old_outputs: Props, inputs: Props, *, replaces: bool) -> Changes:
    """Return the maps that were never read, which the official plugin names beside another change."""
    old, new = (_container_spec(each) for each in (old_outputs, inputs))
    return {
        f"taskSpec.containerSpec.{name}": PropertyDiffKind.ADD_REPLACE
        if replaces and TASK_SPEC["containerSpec"].fields[name].force_new
        else PropertyDiffKind.ADD
        for name in _NULL_MAPS
        if old.get(name) is None and not new.get(name)
    }


def _container_spec(props: Props) -> Props:
    """Return the part that is about the container. Empty while the task is not known."""
    task = props.get("taskSpec")
    return task.get("containerSpec") or {} if isinstance(task, dict) else {}
