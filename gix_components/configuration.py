"""Reads the configuration of the running stack. Only this module reads Pulumi's configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import pulumi

from gix_components.arguments import StackArgs
from gix_model import parsing, problems, stack_file
from gix_model.environment import Environment


class ConfigurationError(problems.ConfigurationError, pulumi.RunError):
    """The configuration of a stack is not valid. Pulumi shows the text of this error without a traceback."""


def load() -> Environment:
    """Read the configuration of the running stack from its file.

    Raises ConfigurationError with all problems of the file.
    """
    stack = pulumi.get_stack()
    config = {str(key): value for key, value in pulumi.runtime.config.CONFIG.get().items()}
    try:
        return parsing.parse(
            config,
            project=pulumi.get_project(),
            stack=stack,
            directory=Path.cwd(),
            secret_keys=frozenset(filter(pulumi.runtime.is_config_secret, config)),
            stated=stack_file.read(Path.cwd(), stack),
            machine=os.environ,
        )
    except problems.ConfigurationError as error:
        raise ConfigurationError(error.where, error.problems) from None


def from_code(**settings: Unpack[StackArgs]) -> Environment:
    """Make the environment of the running stack from settings in code. The rules are those of a file.

    Relative paths, such as `source`, start at the program's directory. GIX_BUILDER_BASE, GIX_RUNTIME_BASE,
    GIX_GRPC_PROBE_IMAGE and GIX_EDGE_IMAGE set the defaults of these images. A secret must be a SecretStr, and no other
    value may be one. A pulumi.Output is refused, because it has no value yet.

    Raises ConfigurationError with all problems. It names keys as in a file: gix:router.hostPort.
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
