"""The docker provider, with its connection to the engine and the registry."""

from pathlib import Path

import pulumi
import pulumi_docker

from gix_model.environment import Environment
from gix_model.settings import EngineSettings


def provider(
    name: str,
    environment: Environment,
    opts: pulumi.ResourceOptions | None = None,
    *,
    engine: EngineSettings | None = None,
) -> pulumi_docker.Provider:
    """The docker provider for an engine, by default that of `environment`, and for its registry."""
    engine, registry = engine or environment.settings.engine, environment.settings.registry
    login = None
    if registry.address is not None:
        password = registry.password
        login = [
            pulumi_docker.ProviderRegistryAuthArgs(
                address=registry.address,
                username=registry.username,
                password=None if password is None else pulumi.Output.secret(password.get_secret_value()),
                auth_disabled=None if registry.username else True,
            )
        ]
    return pulumi_docker.Provider(
        name,
        host=engine.host,
        cert_path=None if engine.cert_path is None else str(Path(engine.cert_path).expanduser()),
        registry_auth=login,
        opts=opts,
    )
