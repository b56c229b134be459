"""The components of the GIX platform on Docker: images, network, ledger volume and services, and what they are told.

In the program of another project:

    environment = configuration.of(source="../gix", router={"rust_log": "debug", "host_port": 6001})
    preflight.check(environment)
    platform = GixPlatform("gix", environment)
"""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    "preflight",
]

_HOMES = {
    "ConfigurationError": "problems",
    "Environment": "environment",
    "GixPlatform": "platform",
    "PreflightError": "problems",
    "ProblemsError": "problems",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for: gixctl needs none, and Pulumi's SDKs take half a second to load."""
    home = "arguments" if name.endswith("Args") else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
