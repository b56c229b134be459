"""The components of the GIX platform on Docker: images, network, ledger volume and services, and what they are told.

In the program of another project:

    environment = configuration.of(source="../gix", router={"rust_log": "debug", "host_port": 6001})
    preflight.check(environment)
    platform = GixPlatform("gix", environment)
"""

__version__ = "0.1.0"

from gix_components import configuration, engine, preflight
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
from gix_components.environment import Environment
from gix_components.platform import GixPlatform
from gix_components.problems import ConfigurationError, PreflightError, ProblemsError

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
    "configuration",
    "engine",
    "preflight",
]
