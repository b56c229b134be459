"""Pulumi components that run the GIX platform on Docker.

In the program of another project:

    environment = configuration.from_code(source="../gix", router={"rust_log": "debug", "host_port": 6001})
    preflight.check(environment)
    platform = GixPlatform("gix", environment)
"""

from gix_components import configuration, preflight
from gix_components.arguments import (
    EngineArgs,
    HealthCheckArgs,
    ImageArgs,
    LedgerArgs,
    LoggingArgs,
    NetworkArgs,
    RegistryArgs,
    ServiceArgs,
    ServiceDefaultsArgs,
    StackArgs,
    UlimitArgs,
)
from gix_components.configuration import ConfigurationError
from gix_components.platform import GixPlatform
from gix_components.preflight import PreflightError
from gix_model import __version__
from gix_model.environment import Environment
from gix_model.problems import ProblemsError

__all__ = [
    "ConfigurationError",
    "EngineArgs",
    "Environment",
    "GixPlatform",
    "HealthCheckArgs",
    "ImageArgs",
    "LedgerArgs",
    "LoggingArgs",
    "NetworkArgs",
    "PreflightError",
    "ProblemsError",
    "RegistryArgs",
    "ServiceArgs",
    "ServiceDefaultsArgs",
    "StackArgs",
    "UlimitArgs",
    "__version__",
    "configuration",
    "preflight",
]
