"""Passes the Pulumi engine's requests on to the resource types."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from offline.docker_plugin.diff import replaced_properties, top_level
from offline.docker_plugin.engine import Connection, Engine, config_problems, connection
from offline.docker_plugin.errors import PartialFailureError, PluginError
from offline.docker_plugin.log import EngineLog, Log
from offline.docker_plugin.package_schema import package_schema
from offline.docker_plugin.resources import RESOURCES
from offline.docker_plugin.resources.base import Check, Context, Resource
from offline.docker_plugin.resources.image import Image
from offline.docker_plugin.schema import Prop
from offline.docker_plugin.values import (
    BRIDGE_KEYS,
    SECRET_OUTPUTS,
    UNKNOWN,
    Props,
    secret_strings,
    to_plain,
    to_properties,
)

_LOGINS: Final = "registryAuth"


class DockerProvider(sdk.Provider):
    """The `docker` provider. Docker operations block, so each runs in its own thread."""

    def __init__(self, log: EngineLog) -> None:
        self.log = log
        self._engine = Engine(Connection())

    async def get_schema(self, request: sdk.GetSchemaRequest) -> sdk.GetSchemaResponse:
        """Describe the resource types, for programs in YAML. Values are of any type: Check refuses what is wrong."""
        del request
        return sdk.GetSchemaResponse(
            json.dumps(package_schema({name: each.schema for name, each in RESOURCES.items()}))
        )

    async def check_config(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Check every input of the provider. Logins with a password become secrets."""
        failures = [
            sdk.CheckFailure(problem.path, problem.reason) for problem in config_problems(to_plain(request.new_inputs))
        ]
        inputs = {
            name: value.with_secret(value.is_secret or (name == _LOGINS and "password" in str(value.value)))
            for name, value in request.new_inputs.items()
        }
        return sdk.CheckResponse(inputs=inputs, failures=failures)

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        """Connect to the engine. Without an engine even a preview fails."""
        stated = to_plain(request.args)
        self._engine = Engine(connection(stated))
        await asyncio.to_thread(lambda: self._engine.api)
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Fill in defaults and find invalid inputs."""
        asked = Check(
            stated=to_plain(request.new_inputs),
            before=to_plain(request.old_inputs),
            name=request.name,
            random_seed=request.random_seed,
        )
        resource = _resource(request.type)
        inputs, problems = await asyncio.to_thread(resource.check, self._context(request.urn), asked)
        return sdk.CheckResponse(
            inputs=_with_secrets(resource.schema.inputs, to_properties(inputs, like=request.new_inputs)),
            failures=[sdk.CheckFailure(problem.path, problem.reason) for problem in problems],
        )

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """Return what an update would change."""
        resource = _resource(request.type)
        old_outputs, inputs = _outputs(request.old_state), to_plain(request.new_inputs)
        found = resource.diff(old_outputs=old_outputs, inputs=inputs, ignored=request.ignore_changes)
        replaces = replaced_properties(found)
        return sdk.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            stables=sorted(
                name for name, prop in resource.schema.inputs.items() if prop.force_new and name not in replaces
            ),
            delete_before_replace=resource.deletes_first(found, inputs=inputs),
            diffs=sorted({top_level(path) for path in found}) if resource.names_changes else [],
            detailed_diff={path: sdk.PropertyDiff(kind, input_diff=False) for path, kind in found.items()},
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        """Create an object. In a preview, return its outputs as far as they are known."""
        resource, inputs = _resource(request.type), to_plain(request.properties)
        context = self._context(request.urn, request.properties)
        if request.preview:
            outputs = await asyncio.to_thread(resource.previewed, context, inputs, None)
            outputs |= {"id": UNKNOWN} if resource.records_id else {}
            return sdk.CreateResponse(properties=_recorded(outputs, like=request.properties))
        try:
            state = await asyncio.to_thread(resource.create, context, inputs)
        except PartialFailureError as error:
            error.outputs |= _beside(resource, error.resource_id)
            error.inputs = request.properties
            raise
        return sdk.CreateResponse(
            resource_id=state.resource_id,
            properties=_recorded(state.outputs | _beside(resource, state.resource_id), like=request.properties),
        )

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        """Read an object, for a refresh or an import. An empty answer means that it does not exist."""
        resource = _resource(request.type)
        state = await asyncio.to_thread(
            resource.read,
            self._context(request.urn),
            request.resource_id,
            inputs=to_plain(request.inputs),
            outputs=_outputs(request.properties),
        )
        if state is None:
            return sdk.ReadResponse()
        return sdk.ReadResponse(
            resource_id=state.resource_id,
            properties=_recorded(
                state.outputs | _beside(resource, state.resource_id), like={**request.properties, **request.inputs}
            ),
            inputs=to_properties(state.inputs, like=request.inputs),
        )

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        """Change an object in place. In a preview, return its new outputs as far as they are known."""
        resource, inputs, outputs = _resource(request.type), to_plain(request.news), _outputs(request.olds)
        context = self._context(request.urn, request.news)
        if request.preview:
            outputs = await asyncio.to_thread(resource.previewed, context, inputs, outputs)
        else:
            try:
                outputs = await asyncio.to_thread(
                    resource.update, context, request.resource_id, inputs=inputs, outputs=outputs
                )
            except PartialFailureError as error:
                error.outputs |= _beside(resource, error.resource_id)
                error.inputs = request.news
                raise
            outputs |= _beside(resource, request.resource_id)
        return sdk.UpdateResponse(properties=_recorded(outputs, like=request.news))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """Remove an object."""
        await asyncio.to_thread(
            _resource(request.type).delete,
            self._context(request.urn),
            request.resource_id,
            _outputs(request.properties),
        )

    async def cancel(self) -> None:
        """Stop the running builds. All other operations end soon by themselves."""
        for resource in RESOURCES.values():
            if isinstance(resource, Image):
                await asyncio.to_thread(resource.builds.cancel)

    def _context(self, urn: str, properties: Mapping[str, PropertyValue] | None = None) -> Context:
        secrets = frozenset(text for value in (properties or {}).values() for text in secret_strings(value))
        return Context(engine=self._engine, log=Log(self.log, urn), secrets=secrets)


def _outputs(state: Mapping[str, PropertyValue]) -> Props:
    return {name: value for name, value in to_plain(state).items() if name not in BRIDGE_KEYS}


def _with_secrets(fields: Mapping[str, Prop], properties: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Mark the values that are always secret."""
    return {name: _with_secret(fields.get(name, Prop()), value) for name, value in properties.items()}


def _with_secret(prop: Prop, value: PropertyValue) -> PropertyValue:
    if prop.secret:
        return value.with_secret(is_secret=True)
    if isinstance(value.value, Mapping) and not value.is_secret:
        return PropertyValue(_with_secrets(prop.fields, value.value))
    return value


def _recorded(outputs: Props, *, like: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    return to_properties(outputs, like=like, secret=SECRET_OUTPUTS)


def _beside(resource: Resource, resource_id: str) -> Props:
    """The outputs that the state has of every resource of a type, besides its own."""
    form = {} if resource.schema.form is None else {"__meta": resource.schema.form}
    return form | ({"id": resource_id} if resource.records_id else {})


def _resource(qualified: str) -> Resource:
    # In the URN of a component's child, its parents' types precede its own.
    token = qualified.rsplit("$", 1)[-1]
    resource = RESOURCES.get(token)
    if resource is None:
        raise PluginError(
            f"resource type {token} is not implemented by the offline docker plugin, which has "
            f"{', '.join(sorted(name.rsplit(':', 1)[-1] for name in RESOURCES))}: use the official plugin for it"
        )
    return resource
