"""The platform for programs in every Pulumi language: `pulumi package add` runs this provider.

The provider declares the same components as a program in Python. Its arguments are the keys of a stack's file, spelled
as there, and are checked by the same rules.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental import provider, server
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.resource import DependencyResource
from pulumi.runtime import rpc
from pydantic import SecretStr

from gix_components import configuration, preflight
from gix_components.platform import GixPlatform
from gix_model import __version__

PACKAGE = "gix"
"""Name of the package."""
PLATFORM = "gix:docker:Platform"
"""Type token of the platform."""

_UNKNOWN_SECRET = "(known after preview)"  # noqa: S105 - stands for a secret in a preview


def serve() -> None:
    """Run the provider until Pulumi ends it. The first argument of the process is the engine's address."""
    server.main(sys.argv[1:], __version__, PlatformProvider())


class Unknown:
    """A value that is not known in a preview."""


class PlatformProvider(provider.Provider):
    """Answers Pulumi's requests for a platform."""

    def __init__(self) -> None:
        self._platform: str | None = None

    async def get_schema(self, request: provider.GetSchemaRequest) -> provider.GetSchemaResponse:  # noqa: ARG002 - Pulumi's
        """The schema, which `make generate` writes."""
        return provider.GetSchemaResponse(resources.files("gix_components").joinpath("package_schema.json").read_text())

    async def configure(self, request: provider.ConfigureRequest) -> provider.ConfigureResponse:  # noqa: ARG002 - Pulumi's
        """What the provider understands. Pulumi's SDK 3.250 can't read arguments that are Outputs without a secret."""
        return provider.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_outputs=False, accept_resources=True
        )

    async def construct(self, request: provider.ConstructRequest) -> provider.ConstructResponse:
        """Declare a platform, as a program in Python does.

        Raises InputPropertiesError, which Pulumi shows without a traceback, for problems of configuration and engine.
        """
        if self._platform not in (None, request.name):
            # Pulumi's SDK serves the hooks of one component only, and one of them saves the ledger.
            raise InputPropertiesError(
                f"this stack already has a platform, {self._platform}; use one stack for each platform",
                [],
            )
        self._platform = request.name
        # What the arguments come from is removed after the platform.
        sources = {urn for value in request.inputs.values() for urn in value.all_dependencies()}
        after = pulumi.ResourceOptions(depends_on=[DependencyResource(urn) for urn in sorted(sources)])
        try:
            arguments = {key: plain(key, value) for key, value in request.inputs.items()}
            environment = configuration.from_package(arguments, unresolved=Unknown)
            await asyncio.to_thread(preflight.check, environment)
            platform = GixPlatform(request.name, environment, pulumi.ResourceOptions.merge(request.options, after))
        except pulumi.RunError as error:
            raise InputPropertiesError(str(error), []) from None
        return provider.ConstructResponse(
            urn=await platform.urn.future() or "",
            state={name: await known(value) for name, value in platform.outputs.items()},
            state_dependencies={},
        )


def plain(key: str, value: PropertyValue, *, secret: bool = False) -> Any:
    """The value of an argument as a stack's file would have it; a secret is a SecretStr.

    `key` is the argument's name, or the name of what it is in; `secret` says that what it is in is a secret.
    """
    content, secret = value.value, secret or value.is_secret
    if isinstance(content, Mapping):
        return {
            name: plain(key if key == "secretEnvironment" else name, each, secret=secret)
            for name, each in content.items()
        }
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [plain(key, each, secret=secret) for each in content]
    if content == rpc.UNKNOWN:
        # A secret is only passed on; the preview reports a change, as it does for any unknown value.
        return SecretStr(_UNKNOWN_SECRET) if secret and key in ("password", "secretEnvironment") else Unknown()
    if isinstance(content, float) and content.is_integer():
        content = int(content)
    return SecretStr(str(content)) if secret and content is not None else content


async def known(value: pulumi.Input[Any]) -> PropertyValue:
    """The value of an output of the platform. In a preview it may be unknown."""
    if isinstance(value, Mapping):
        return PropertyValue({key: await known(each) for key, each in value.items() if each is not None})
    if isinstance(value, list):
        return PropertyValue([await known(each) for each in value])
    output: pulumi.Output[Any] = pulumi.Output.from_input(value)
    content = await output.future() if await output.is_known() else rpc.UNKNOWN
    return PropertyValue(content, await output.is_secret())
