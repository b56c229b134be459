"""Runs components with Pulumi's mocks and records what they declare."""

import json
import tempfile
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict, cast
from unittest import mock

import pulumi
import yaml
from pulumi.runtime import mocks, rpc, settings, stack
from pydantic import SecretStr

from gix_model import parsing, provider_facts, stack_file
from gix_model.environment import Environment

PROGRAM = Path(__file__).parents[2]
PACKAGES = ("gix_components", "gix_engine", "gix_ledger", "gix_model", "gix_ops")
"""The packages of the wheel."""
ENGINE_PLATFORM = "linux/arm64"
"""The platform of the engine on which programs are declared."""


def environment(
    config: Mapping[str, str] | None = None,
    *,
    directory: Path = PROGRAM,
    secret_keys: AbstractSet[str] = frozenset(),
    stated: Mapping[str, Any] | None = None,
    machine: Mapping[str, str] | None = None,
) -> Environment:
    """The environment of a stack `dev` with `config`. Every key is optional."""
    return parsing.parse(
        config or {},
        project="gix",
        stack="dev",
        directory=directory,
        secret_keys=secret_keys,
        stated=stated,
        machine=machine,
    )


class Configured(TypedDict):
    """A configuration as Pulumi and the stack's file state it: the arguments of `environment`."""

    config: dict[str, str]
    secret_keys: set[str]
    stated: dict[str, Any]


def configured(config: Mapping[str, Any]) -> Configured:
    """`config` as `pulumi config set` writes it to the stack's file, and as Pulumi passes it to a program.

    Each SecretStr is encrypted in the file.
    """
    config = {key if ":" in key else f"gix:{key}": value for key, value in config.items()}
    file = {"config": {key: _each(value, lambda _: {"secure": "v1:abc="}) for key, value in config.items()}}
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, stack_file.name("dev")).write_text(yaml.safe_dump(file))
        stated = stack_file.read(Path(directory), "dev")
    opened = {key: _each(value, SecretStr.get_secret_value) for key, value in config.items()}
    return {
        "config": {key: value if isinstance(value, str) else json.dumps(value) for key, value in opened.items()},
        "secret_keys": {key for key, value in opened.items() if value != config[key]},
        "stated": stated,
    }


def _each(value: Any, secret: Callable[[SecretStr], Any]) -> Any:
    """`value` with what `secret` makes of each SecretStr in it."""
    if isinstance(value, SecretStr):
        return secret(value)
    if isinstance(value, Mapping):
        return {key: _each(item, secret) for key, item in value.items()}
    return [_each(item, secret) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class Resource:
    type: str
    name: str
    inputs: dict[str, Any]
    secrets: set[str]
    provider: str
    options: pulumi.ResourceOptions


@dataclass
class Declared(mocks.Mocks):
    """What a program declared. Each resource gets an id, and its inputs as outputs."""

    options: dict[str, pulumi.ResourceOptions] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        secrets = {key for key, value in args.inputs.items() if rpc.is_rpc_secret(value)}
        inputs = {key: rpc.unwrap_rpc_secret(value) for key, value in args.inputs.items()}
        self.resources[args.name] = Resource(
            type=args.typ,
            name=args.name,
            inputs=inputs,
            secrets=secrets,
            provider=args.provider or "",
            options=self.options.get(args.name, pulumi.ResourceOptions()),
        )
        # A registry has what is pulled, and not what is built.
        repository = "registry.example/pulled@" if args.typ == provider_facts.REMOTE_IMAGE else ""
        digests = {"repoDigest": f"{repository}sha256:{args.name}", "imageId": f"sha256:{args.name}"}
        return f"{args.name}-id", inputs | digests

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program asks for {args.token}")

    def of_type(self, token: str) -> list[Resource]:
        return [resource for resource in self.resources.values() if resource.type == token]


def _unheard(_hook: object) -> None:
    pass


def declare(program: Callable[[pulumi.ResourceOptions], object], *, preview: bool = False) -> Declared:
    """Run `program`, which passes the given options to its components."""
    declared = Declared()

    def record(args: pulumi.ResourceTransformationArgs) -> None:
        declared.options[args.name] = args.opts

    def run() -> None:
        program(pulumi.ResourceOptions(transformations=[record]))

    mocks.set_mocks(declared, project="gix", stack="dev", preview=preview)
    # The mocked engine has no callbacks, which the SDK would wait for.
    settings.SETTINGS.callbacks = cast(
        "Any", SimpleNamespace(register_error_hook=_unheard, register_resource_hook=_unheard)
    )
    with mock.patch("gix_components.image_builder.engine_platform", return_value=ENGINE_PLATFORM):
        pulumi.runtime.sync_await._sync_await(stack.run_pulumi_func(run))
    return declared
