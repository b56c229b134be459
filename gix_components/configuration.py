"""Reads the running program's configuration. Nothing else reads Pulumi's configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import pulumi

from gix_components.arguments import StackArgs
from gix_model import parsing, problems, stack_file
from gix_model.environment import Environment


class ConfigurationError(problems.ConfigurationError, pulumi.RunError):
    """The configuration of a stack breaks rules. Pulumi shows the text of such an error, and no traceback."""


def load() -> Environment:
    """Read the configuration of the running stack from its file.

    Raises ConfigurationError with every problem that the file has.
    """
    stack = pulumi.get_stack()
    try:
        return parsing.parse(
            {str(key): value for key, value in pulumi.runtime.config.CONFIG.get().items()},
            project=pulumi.get_project(),
            stack=stack,
            directory=Path.cwd(),
            secret_keys={str(key) for key in pulumi.runtime.config._SECRET_KEYS.get()},  # noqa: SLF001 - has no public reader
            stated=stack_file.read(Path.cwd(), stack),
            machine=os.environ,
        )
    except problems.ConfigurationError as error:
        raise ConfigurationError(error.where, error.problems) from None


def from_code(**settings: Unpack[StackArgs]) -> Environment:
    """The environment of the running stack with settings from code, under the rules that a file has.

    `source` and other relative paths start at the program's directory. GIX_BUILDER_BASE and GIX_RUNTIME_BASE are the
    machine's own defaults here, too. A secret is a SecretStr, and only what must be a secret is one. A pulumi.Output is
    refused, as it has no value yet.

    Raises ConfigurationError with every problem at once; its keys are spelled as in a file: gix:router.hostPort.
    """
    return _checked(settings, unresolved=pulumi.Output)


def from_package(arguments: Mapping[str, Any], *, unresolved: type) -> Environment:
    """The environment of the running stack with arguments from a program in any language; see `from_code`.

    Keys are spelled as in a file. A value of the type `unresolved` is not known yet, and is refused.
    """
    return _checked(arguments, unresolved=unresolved)


def _checked(settings: Mapping[str, Any], *, unresolved: type) -> Environment:
    try:
        return parsing.from_code(
            settings,
            project=pulumi.get_project(),
            stack=pulumi.get_stack(),
            directory=Path.cwd(),
            machine=os.environ,
            unresolved=(unresolved,),
        )
    except problems.ConfigurationError as error:
        raise ConfigurationError(error.where, error.problems) from None
