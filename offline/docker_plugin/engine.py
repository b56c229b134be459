"""The connection to the Docker Engine, and the logins to registries."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.schema import Problem
from offline.docker_plugin.values import Props, Value, has_unknown

if TYPE_CHECKING:
    import docker

Api: TypeAlias = Any
"""`docker.APIClient`. Its published types lack many of its calls."""

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"

_ENVIRONMENT: Final = {
    "host": "DOCKER_HOST",
    "certPath": "DOCKER_CERT_PATH",
    "caMaterial": "DOCKER_CA_MATERIAL",
    "certMaterial": "DOCKER_CERT_MATERIAL",
    "keyMaterial": "DOCKER_KEY_MATERIAL",
}
_MATERIALS: Final = {"caMaterial": "ca.pem", "certMaterial": "cert.pem", "keyMaterial": "key.pem"}
_AUTH_FIELDS: Final = ("address", "username", "password", "configFile", "configFileContent", "authDisabled")
_NOT_IMPLEMENTED: Final = ("sshOpts", "context", "disableDockerDaemonCheck")
_NOTHING: Final[tuple[Value, ...]] = (None, "", [], "[]", False, "false")
_ENGINE_PROPERTIES: Final = frozenset({"version", "pluginDownloadURL"})
_REQUEST_TIMEOUT_SECONDS: Final = 60
_MOST_CONNECTIONS: Final = 64


@dataclass(frozen=True)
class RegistryAuth:
    """How to log in to one registry, as the provider's `registryAuth` states it.

    Attributes:
        address: the registry's host, with its port if it has one.
        stated: the other inputs of that entry.

    """

    address: str
    stated: Props = field(repr=False)

    def credentials(self) -> dict[str, str]:
        """Return the user name and password. Empty if there are none.

        In this order: the stated file, the stated content, the stated user name, the user's own `docker login`.
        """
        if self.stated.get("authDisabled"):
            return {}
        if self.stated.get("configFile"):
            return _from_config(_read_config(Path(str(self.stated["configFile"])).expanduser()), self.address)
        if self.stated.get("configFileContent"):
            return _from_config(_parse_config(str(self.stated["configFileContent"])), self.address)
        username = self.stated.get("username") or os.environ.get("DOCKER_REGISTRY_USER")
        if username:
            password = self.stated.get("password") or os.environ.get("DOCKER_REGISTRY_PASS") or ""
            return {"username": str(username), "password": str(password), "serveraddress": self.address}
        return user_credentials(self.address)


@dataclass(frozen=True)
class Connection:
    """The address of the engine, and the logins.

    Attributes:
        host: its address, such as `unix:///var/run/docker.sock` or `tcp://10.0.0.5:2376`.
        cert_path: the directory with `ca.pem`, `cert.pem` and `key.pem`; None for no TLS.
        registries: logins by registry host.

    """

    host: str = DEFAULT_HOST
    cert_path: Path | None = None
    registries: Mapping[str, RegistryAuth] = field(default_factory=dict)

    def command_environment(self) -> dict[str, str]:
        """Return the environment with which the `docker` command uses the same engine."""
        environment = {"DOCKER_HOST": self.host}
        if self.cert_path:
            environment |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.cert_path)}
        return environment


class Engine:
    """A connection to the engine. It is opened when it is first needed, and shared by all threads."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @cached_property
    def api(self) -> Api:
        """The engine's API.

        Raises:
            PluginError: no engine answers.

        """
        # Importing the SDK takes a third of a second, and Pulumi waits for the plugin's port first.
        from gix_engine import ssh_transport
        from offline.docker_plugin.client import Client

        connection = self.connection
        limits: dict[str, Any] = {"timeout": _REQUEST_TIMEOUT_SECONDS, "max_pool_size": _MOST_CONNECTIONS}
        try:
            if connection.host.startswith(ssh_transport.SCHEME):
                return ssh_transport.connect(Client, connection.host, **limits)
            tls = False if connection.cert_path is None else _tls(connection.cert_path)
            return Client(base_url=connection.host, version="auto", tls=tls, **limits)
        except Exception as error:
            raise PluginError(
                f"failed to connect to any docker daemon: {connection.host}: {readable(error)}. Start the engine, or "
                "name another one with DOCKER_HOST or the provider's 'host'."
            ) from error

    def pull_credentials(self, registry: str) -> dict[str, str]:
        """Return the login for a registry. As in the official plugin, the user's own `docker login` is not used."""
        auth = self.connection.registries.get(registry)
        return auth.credentials() if auth else {}


def config_problems(stated: Props) -> Iterator[Problem]:
    """Yield every invalid input of the provider."""
    for name, value in stated.items():
        if name in _ENGINE_PROPERTIES or value in _NOTHING:
            continue
        if name in _NOT_IMPLEMENTED:
            yield Problem(
                name, "is not implemented by the offline docker plugin: leave it out, or use the official one"
            )
        elif name not in (*_ENVIRONMENT, "registryAuth"):
            yield Problem(name, "is not an input of the docker provider")
        elif name == "registryAuth" and not has_unknown(value):
            yield from _auth_problems(value)


def connection(stated: Props) -> Connection:
    """Read the provider's inputs. Missing ones come from the environment.

    Raises:
        PluginError: an input is not implemented or contradicts another.

    """
    found = list(config_problems(stated))
    if found:
        raise PluginError("; ".join(f"provider input '{problem.path}' {problem.reason}" for problem in found))
    settings = {name: stated.get(name) or os.environ.get(variable) for name, variable in _ENVIRONMENT.items()}
    entries = _auth_entries(stated.get("registryAuth"))
    registries = [RegistryAuth(registry_host(str(entry["address"])), entry) for entry in entries]
    return Connection(
        host=str(settings["host"] or DEFAULT_HOST),
        cert_path=_cert_path(settings),
        registries={auth.address: auth for auth in registries},
    )


def registry_host(address: str) -> str:
    """Return host and port of a registry's address."""
    return address.split("://", 1)[-1].split("/", 1)[0]


def user_credentials(address: str) -> dict[str, str]:
    """Return the login that `docker login` stored for a registry, in a file or a credential helper. Empty if none."""
    return _from_config(_read_config(user_config_directory() / "config.json"), address)


def user_config_directory() -> Path:
    """The directory with the user's settings of the `docker` command."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _tls(cert_path: Path) -> "docker.tls.TLSConfig":
    import docker.tls

    return docker.tls.TLSConfig(
        client_cert=(str(cert_path / "cert.pem"), str(cert_path / "key.pem")),
        ca_cert=str(cert_path / "ca.pem"),
        verify=True,
    )


def _cert_path(settings: Mapping[str, Value]) -> Path | None:
    materials = {name: settings[name] for name in _MATERIALS if settings[name]}
    if not materials:
        return Path(str(settings["certPath"])).expanduser() if settings["certPath"] else None
    if len(materials) < len(_MATERIALS):
        raise PluginError("certMaterial, keyMaterial, and caMaterial must all be specified")
    if settings["certPath"]:
        raise PluginError("when using raw certificates, certPath must not be specified")
    directory = Path(tempfile.mkdtemp(prefix="pulumi-docker-tls-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for name, material in materials.items():
        (directory / _MATERIALS[name]).write_text(str(material))
    return directory


def _auth_entries(value: Value) -> list[Props]:
    entries = json.loads(value) if isinstance(value, str) and value else value or []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _auth_problems(value: Value) -> Iterator[Problem]:
    try:
        entries = _auth_entries(value)
    except json.JSONDecodeError as error:
        yield Problem("registryAuth", f"is not JSON: {error}")
        return
    for index, entry in enumerate(entries):
        path = f"registryAuth[{index}]"
        if not entry.get("address"):
            yield Problem(f"{path}.address", "is required and not stated")
        for name in entry:
            if name not in _AUTH_FIELDS:
                yield Problem(f"{path}.{name}", "is not an input of the docker provider")


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.json" if path.is_dir() else path
    try:
        return _parse_config(file.read_text())
    except OSError:
        return {}


def _parse_config(content: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except json.JSONDecodeError as error:
        raise PluginError(f"the docker configuration for registry log-ins is not JSON: {error}") from error
    return parsed if isinstance(parsed, dict) else {}


def _from_config(config: dict[str, Any], address: str) -> dict[str, str]:
    from docker.auth import AuthConfig, parse_auth

    log_ins = {**config, "auths": parse_auth(config.get("auths", {}), raise_on_error=False)}
    resolved = AuthConfig(log_ins).resolve_authconfig(address)
    return {key: str(value) for key, value in (resolved or {}).items() if value and key != "email"}
