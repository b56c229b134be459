"""What must hold between the keys of a configuration, and between them and the files that they name."""

import ipaddress
import itertools
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gix_model import log_options
from gix_model.catalog import CATALOG, DATA_DIRECTORY
from gix_model.environment import Environment
from gix_model.problems import Problem
from gix_model.settings import StackSettings

RESERVED_LABELS = "io.gix."
UNLIMITED = -1
"""A limit of a process that is none."""

_RESERVED_VARIABLES = {
    "RUST_LOG": "set rustLog instead",
    "RUST_BACKTRACE": "set rustBacktrace instead",
    "GIX_DATA_DIR": f"leave it out: the ledger's volume is always at {DATA_DIRECTORY}",
}
_PINNED = re.compile(r"@sha256:|:[^:/]*(?:\d+\.\d+\.\d+|\d{8})")


def foreign_keys(config: Mapping[str, str]) -> list[Problem]:
    """Keys of the docker provider itself, which would have no effect: the program states its provider in full."""
    return [
        Problem(subject=key, limit="has no effect here", fix="use gix:engine and gix:registry instead")
        for key in config
        if key.startswith("docker:")
    ]


def between_keys(environment: Environment) -> list[Problem]:
    """Every rule of this module that `environment` breaks."""
    return [problem for rule in _RULES for problem in rule(environment)]


def _services_once(environment: Environment) -> Iterator[Problem]:
    names = environment.settings.services
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Problem(subject=f"gix:services = {names}", limit=f"names {name} twice", fix="name it once")


def _ports(environment: Environment) -> Iterator[Problem]:
    claims: list[tuple[str, str, int]] = []
    for spec in environment.specs:
        service = environment.services[spec.name]
        port = environment.host_port(spec)
        if port is not None:
            claims.append((f"gix:{spec.name}.hostPort", service.bind_address, port))
        if service.metrics_port is not None:
            if spec.metrics_port is None:
                yield Problem(
                    subject=f"gix:{spec.name}.metricsPort = {service.metrics_port}",
                    limit=f"the {spec.name} serves no metrics",
                    fix="leave it out",
                )
            claims.append((f"gix:{spec.name}.metricsPort", service.bind_address, service.metrics_port))
    for (key, address, port), (other, other_address, other_port) in itertools.combinations(claims, 2):
        if port == other_port and (address == other_address or "0.0.0.0" in (address, other_address)):  # noqa: S104
            yield Problem(
                subject=f"{other} = {port}",
                limit=f"{key} is the same port of the host",
                fix="give one of them another",
            )


def _memory(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        if service.memory_swap is None:
            continue
        subject = f"gix:{name}.memorySwap = {service.memory_swap}"
        if service.memory is None:
            yield Problem(subject=subject, limit="limits nothing without memory", fix=f"set gix:{name}.memory too")
        elif service.memory_swap.bytes < service.memory.bytes:
            yield Problem(
                subject=subject,
                limit=f"is memory and swap together, and less than the memory, {service.memory}",
                fix=f"write {service.memory} for no swap, or more",
            )


def _variables(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        for variable in (*service.environment, *service.secret_environment):
            if variable in _RESERVED_VARIABLES:
                yield Problem(
                    subject=f"gix:{name}.environment.{variable}",
                    limit="is set by the program",
                    fix=_RESERVED_VARIABLES[variable],
                )
        for variable in service.environment.keys() & service.secret_environment.keys():
            yield Problem(
                subject=f"gix:{name}.environment.{variable}",
                limit="is in secretEnvironment too",
                fix="leave it out here",
            )


def _labels(environment: Environment) -> Iterator[Problem]:
    labelled = {"gix:network.labels": environment.settings.network.labels} | {
        f"gix:{name}.labels": service.labels for name, service in environment.services.items()
    }
    for key, labels in labelled.items():
        for label in labels:
            if label.startswith(RESERVED_LABELS):
                yield Problem(
                    subject=f"{key}.{label}",
                    limit=f"labels that begin with {RESERVED_LABELS} are the program's own",
                    fix="take another name",
                )


def _logging(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        for option, limit, fix in log_options.wrong(service.logging.driver, service.logging.options or {}):
            yield Problem(subject=f"gix:{name}.logging.options.{option}", limit=limit, fix=fix)


def _ulimits(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        for limit, value in service.ulimits.items():
            if limit == "nofile" and value.hard == UNLIMITED:
                yield Problem(
                    subject=f"gix:{name}.ulimits.nofile.hard = {UNLIMITED}",
                    limit="the kernel refuses a process an unlimited number of open files",
                    fix="write a number, e.g. 1048576",
                )
            unlimited_over_limited = value.soft == UNLIMITED != value.hard
            if unlimited_over_limited or value.soft > value.hard != UNLIMITED:
                yield Problem(
                    subject=f"gix:{name}.ulimits.{limit}.soft = {value.soft}",
                    limit=f"is over hard, {value.hard}",
                    fix="write the hard limit or less; -1 means no limit",
                )


def _tmpfs(environment: Environment) -> Iterator[Problem]:
    """What would hide the ledger, or be hidden by its volume."""
    for name, service in environment.services.items():
        if not CATALOG[name].keeps_ledger:
            continue
        for path in service.tmpfs:
            normal = "/" + posixpath.normpath(path).strip("/")
            if f"{normal}/".startswith(f"{DATA_DIRECTORY}/") or DATA_DIRECTORY.startswith(f"{normal}/"):
                yield Problem(
                    subject=f"gix:{name}.tmpfs.{path}",
                    limit=f"lies over the ledger's volume at {DATA_DIRECTORY}, or under it",
                    fix="take another path",
                )


def _source(environment: Environment) -> Iterator[Problem]:
    if not environment.builds:
        return
    directory = environment.directory / environment.source
    subject = f"gix:source = {environment.settings.source}"
    fix = "name the directory of the Cargo workspace that has the services' binaries"
    try:
        found = (directory / "Cargo.toml").is_file()
        next(directory.iterdir(), None)
    except NotADirectoryError:
        yield Problem(subject=subject, limit="is no directory", fix=fix)
    except FileNotFoundError:
        yield Problem(subject=subject, limit="does not exist", fix=fix)
    except PermissionError:
        yield Problem(subject=subject, limit="may not be read", fix=f"let this user read it: chmod -R u+rX {directory}")
    except OSError as error:
        yield Problem(subject=subject, limit=f"can't be read: {error.strerror}", fix=fix)
    else:
        if not found:
            yield Problem(subject=subject, limit="has no Cargo.toml", fix=fix)


def _sample(environment: Environment) -> Iterator[Problem]:
    """The bundled sample stands in for real services, and must not take their place, their ledger or their users."""
    settings = environment.settings
    bundled = environment.directory / str(StackSettings.model_fields["source"].default)
    source = environment.directory / environment.source
    if not environment.builds or os.path.realpath(source) != os.path.realpath(bundled):
        return
    for key, value in (
        ("gix:production", settings.production),
        ("gix:takeOver", settings.take_over),
        ("gix:ledger.adopt", settings.ledger.adopt),
    ):
        if value:
            yield Problem(
                subject=f"{key} = true",
                limit=f"gix:source = {settings.source} is the sample, whose services would replace the real ones",
                fix="set gix:source to the workspace of the real services, or gix:images.way to registry",
            )


def _registry(environment: Environment) -> Iterator[Problem]:
    images, registry = environment.settings.images, environment.settings.registry
    if registry.address is None and not environment.builds:
        yield Problem(subject="gix:images.way = registry", limit="no registry is named", fix="set gix:registry.address")
    if registry.address is None and images.push:
        yield Problem(subject="gix:images.push = true", limit="no registry is named", fix="set gix:registry.address")
    if images.push and not environment.builds:
        yield Problem(
            subject="gix:images.push = true",
            limit="nothing is built here to push",
            fix="leave it out, or change images.way",
        )
    if images.digests and environment.builds:
        yield Problem(
            subject="gix:images.digests",
            limit=f"images are built here ({images.way}), so their digests can't be chosen",
            fix="leave them out, or set gix:images.way to registry",
        )
    if (registry.username is None) != (registry.password is None):
        given, missing = ("username", "password") if registry.password is None else ("password", "username")
        yield Problem(
            subject=f"gix:registry.{given}", limit=f"there is no {missing}", fix=f"set gix:registry.{missing}"
        )


def _engine(environment: Environment) -> Iterator[Problem]:
    engine = environment.settings.engine
    over_tcp = engine.host is not None and engine.host.startswith("tcp://")
    if engine.cert_path is not None and not over_tcp:
        yield Problem(
            subject=f"gix:engine.certPath = {engine.cert_path}",
            limit="certificates are for an engine at tcp://",
            fix="leave it out, or set gix:engine.host to tcp://HOST:2376",
        )
    if engine.cert_path is not None:
        names = ("ca.pem", "cert.pem", "key.pem")
        missing = [name for name in names if not _has_file(environment.directory, engine.cert_path, name)]
        if missing:
            yield Problem(
                subject=f"gix:engine.certPath = {engine.cert_path}",
                limit=f"there is no {', '.join(missing)} in it",
                fix="name the directory that has ca.pem, cert.pem and key.pem",
            )
    if over_tcp and engine.cert_path is None and not _is_loopback(urlsplit(engine.host or "").hostname or ""):
        yield Problem(
            subject=f"gix:engine.host = {engine.host}",
            limit="without TLS everybody on the way is root on that machine",
            fix="set gix:engine.certPath, or use ssh://",
        )


def _has_file(program: Path, directory: str, name: str) -> bool:
    try:
        return (program / Path(directory).expanduser() / name).is_file()
    except (OSError, RuntimeError):
        return False


def _is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its very form: any other name may lead elsewhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _production(environment: Environment) -> Iterator[Problem]:
    if not environment.settings.production:
        return
    images, ledger = environment.settings.images, environment.settings.ledger
    if environment.builds:
        for key, base in (("builderBase", images.builder_base), ("runtimeBase", images.runtime_base)):
            if _PINNED.search(base) is None:
                yield Problem(
                    subject=f"gix:images.{key} = {base}",
                    limit="may mean another image tomorrow, which production does not take",
                    fix="pin it by version, date or digest: rust:1.75.0-bookworm, debian:bookworm-20231218-slim",
                )
        if images.tag == "latest":
            yield Problem(
                subject="gix:images.tag = latest", limit="production does not take `latest`", fix="give a version"
            )
    else:
        for name in environment.services:
            if name not in images.digests:
                yield Problem(
                    subject=f"gix:images.digests.{name}",
                    limit="production runs images by digest alone",
                    fix="give the digest that the push printed: sha256:...",
                )
    if "auction" in environment.services and not ledger.protect:
        yield Problem(
            subject="gix:ledger.protect = false",
            limit="production does not run an unprotected ledger",
            fix="set it to true",
        )


_RULES: tuple[Callable[[Environment], Iterator[Problem]], ...] = (
    _services_once,
    _source,
    _sample,
    _registry,
    _engine,
    _ports,
    _memory,
    _variables,
    _labels,
    _logging,
    _ulimits,
    _tmpfs,
    _production,
)
