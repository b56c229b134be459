"""Rules between the keys of a configuration, and between the keys and the files that they name."""

import ipaddress
import itertools
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gix_model import edge_certificate, log_options, swarm_rules
from gix_model.catalog import CATALOG, DATA_DIRECTORY
from gix_model.environment import Environment
from gix_model.problems import Problem
from gix_model.settings import MOST_REPLICAS_ON_ONE_MACHINE, StackSettings

RESERVED_LABELS = "io.gix."
UNLIMITED = -1
"""The value of a process limit that means unlimited."""

_RESERVED_VARIABLES = {
    "RUST_LOG": "set rustLog instead",
    "RUST_BACKTRACE": "set rustBacktrace instead",
    "GIX_DATA_DIR": f"leave it out: the ledger's volume is always at {DATA_DIRECTORY}",
}
_KEYS_OF_AN_EDGE = (*edge_certificate.KEYS, "metricsPort", "accessLog")
_PINNED_EXAMPLES = {
    "images.builderBase": "rust:1.75.0-bookworm",
    "images.runtimeBase": "debian:bookworm-20231218-slim",
    "images.grpcProbeImage": "ghcr.io/grpc-ecosystem/grpc-health-probe:v0.4.57",
}
_PINNED = re.compile(r"@sha256:|:[^:/]*(?:\d+\.\d+\.\d+|\d{8})")


def foreign_keys(config: Mapping[str, str]) -> list[Problem]:
    """Problems of the keys `docker:...`, which have no effect, because the program configures the provider."""
    return [
        Problem(subject=key, limit="has no effect here", fix="use gix:engine and gix:registry instead")
        for key in config
        if key.startswith("docker:")
    ]


def between_keys(environment: Environment) -> list[Problem]:
    """The problems of `environment`: all rules of this module that it breaks."""
    return [problem for rule in _RULES for problem in rule(environment)]


def _services_once(environment: Environment) -> Iterator[Problem]:
    names = environment.settings.services
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Problem(subject=f"gix:services = {names}", limit=f"has {name} twice", fix="list it once")


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
                    limit=f"the {spec.name} has no metrics",
                    fix="leave it out",
                )
            claims.append((f"gix:{spec.name}.metricsPort", service.bind_address, service.metrics_port))
    if environment.edge_metrics is not None:
        metrics = environment.edge_metrics
        claims.append((metrics.key, metrics.address, metrics.external))
    for (key, address, port), (other, other_address, other_port) in itertools.combinations(claims, 2):
        if port == other_port and (address == other_address or "0.0.0.0" in (address, other_address)):  # noqa: S104
            yield Problem(
                subject=f"{other} = {port}",
                limit=f"{key} is the same port on the host",
                fix="change one of them",
            )


def _memory(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        if service.memory_swap is None:
            continue
        subject = f"gix:{name}.memorySwap = {service.memory_swap}"
        if service.memory is None:
            yield Problem(subject=subject, limit="has no effect without memory", fix=f"set gix:{name}.memory too")
        elif service.memory_swap.bytes < service.memory.bytes:
            yield Problem(
                subject=subject,
                limit=f"is the limit of memory and swap together, and is lower than the memory limit, {service.memory}",
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
                    limit=f"labels that begin with {RESERVED_LABELS} are reserved",
                    fix="use another name",
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
                    limit="the kernel does not allow an unlimited number of open files",
                    fix="write a number, e.g. 1048576",
                )
            unlimited_over_limited = value.soft == UNLIMITED != value.hard
            if unlimited_over_limited or value.soft > value.hard != UNLIMITED:
                yield Problem(
                    subject=f"gix:{name}.ulimits.{limit}.soft = {value.soft}",
                    limit=f"is over the hard limit, {value.hard}",
                    fix="write the hard limit or less; -1 means unlimited",
                )


def _tmpfs(environment: Environment) -> Iterator[Problem]:
    """A tmpfs that would hide the ledger, or that its volume would hide."""
    for name, service in environment.services.items():
        if not CATALOG[name].keeps_ledger:
            continue
        for path in service.tmpfs:
            normal = "/" + posixpath.normpath(path).strip("/")
            if f"{normal}/".startswith(f"{DATA_DIRECTORY}/") or DATA_DIRECTORY.startswith(f"{normal}/"):
                yield Problem(
                    subject=f"gix:{name}.tmpfs.{path}",
                    limit=f"overlaps the ledger's volume at {DATA_DIRECTORY}",
                    fix="use another path",
                )


def _probes(environment: Environment) -> Iterator[Problem]:
    """A probe that runs a command needs one, and the others take none."""
    settings = environment.settings
    probes = {name: service.health_check.probe for name, service in environment.services.items()}
    for name, service in environment.services.items():
        key, own = f"gix:{name}.healthCheck", getattr(settings, name).health_check.command
        if probes[name] == "command" and not service.health_check.command:
            yield Problem(
                subject=f"{key}.probe = command",
                limit=f"{key}.command is not set",
                fix=f"set {key}.command to a program and its arguments, e.g. [test, -e, /tmp/ready]",
            )
        if own and probes[name] != "command":
            yield Problem(
                subject=f"{key}.command = {own}",
                limit=f"has no effect with {key}.probe = {probes[name]}",
                fix=f"leave it out, or set {key}.probe to command",
            )
    if settings.defaults.health_check.command and "command" not in probes.values():
        yield Problem(
            subject=f"gix:defaults.healthCheck.command = {settings.defaults.health_check.command}",
            limit="has no effect, because no service has probe = command",
            fix="leave it out, or set gix:defaults.healthCheck.probe to command",
        )


def _source(environment: Environment) -> Iterator[Problem]:
    if not environment.builds:
        return
    directory = environment.directory / environment.source
    subject = f"gix:source = {environment.settings.source}"
    fix = "write the directory of the Cargo workspace with the binaries of the services"
    try:
        found = (directory / "Cargo.toml").is_file()
        next(directory.iterdir(), None)
    except NotADirectoryError:
        yield Problem(subject=subject, limit="is not a directory", fix=fix)
    except FileNotFoundError:
        yield Problem(subject=subject, limit="does not exist", fix=fix)
    except PermissionError:
        yield Problem(
            subject=subject, limit="is not readable", fix=f"allow this user to read it: chmod -R u+rX {directory}"
        )
    except OSError as error:
        yield Problem(subject=subject, limit=f"cannot be read: {error.strerror}", fix=fix)
    else:
        if not found:
            yield Problem(subject=subject, limit="has no Cargo.toml", fix=fix)


def _sample(environment: Environment) -> Iterator[Problem]:
    """The bundled sample must not replace real services, or use their ledger."""
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
                limit=f"gix:source = {settings.source} is the sample, which must not replace real services",
                fix="set gix:source to the workspace of the real services, or gix:images.way to registry",
            )


def _registry(environment: Environment) -> Iterator[Problem]:
    images, registry = environment.settings.images, environment.settings.registry
    if registry.address is None and not environment.builds:
        yield Problem(
            subject="gix:images.way = registry",
            limit="gix:registry.address is not set",
            fix="set gix:registry.address to HOST or HOST:PORT",
        )
    if registry.address is None and images.push:
        yield Problem(
            subject="gix:images.push = true",
            limit="gix:registry.address is not set",
            fix="set gix:registry.address to HOST or HOST:PORT",
        )
    if images.push and not environment.builds:
        yield Problem(
            subject="gix:images.push = true",
            limit="images are pulled, so there is nothing to push",
            fix="leave it out, or change gix:images.way",
        )
    if images.cache_from and not environment.builds:
        yield Problem(
            subject=f"gix:images.cacheFrom = {images.cache_from}",
            limit="images are pulled, so there is nothing to build",
            fix="leave it out, or change gix:images.way",
        )
    if images.digests and environment.builds:
        yield Problem(
            subject="gix:images.digests",
            limit=f"gix:images.way = {images.way} builds the images, so their digests cannot be set",
            fix="leave them out, or set gix:images.way to registry",
        )
    if (registry.username is None) != (registry.password is None):
        given, missing = ("username", "password") if registry.password is None else ("password", "username")
        yield Problem(
            subject=f"gix:registry.{given}",
            limit=f"gix:registry.{missing} is not set",
            fix=f"set gix:registry.{missing}",
        )


def _engine(environment: Environment) -> Iterator[Problem]:
    engine = environment.settings.engine
    over_tcp = any((each or "").startswith("tcp://") for each in (engine.host, *engine.nodes.values()))
    if engine.cert_path is not None and not over_tcp:
        yield Problem(
            subject=f"gix:engine.certPath = {engine.cert_path}",
            limit="is only for an engine at tcp://",
            fix="leave it out, or set gix:engine.host to tcp://HOST:2376",
        )
    if engine.cert_path is not None:
        names = ("ca.pem", "cert.pem", "key.pem")
        missing = [name for name in names if not _has_file(environment.directory, engine.cert_path, name)]
        if missing:
            yield Problem(
                subject=f"gix:engine.certPath = {engine.cert_path}",
                limit=f"has no {', '.join(missing)}",
                fix="write the directory that has ca.pem, cert.pem and key.pem",
            )
    addresses = {"host": engine.host or ""} | {f"nodes.{name}": address for name, address in engine.nodes.items()}
    for key, address in addresses.items():
        open_to_all = address.startswith("tcp://") and not _is_loopback(urlsplit(address).hostname or "")
        if engine.cert_path is not None or not open_to_all:
            continue
        yield Problem(
            subject=f"gix:engine.{key} = {address}",
            limit="without TLS, anybody on the network can control that engine as root",
            fix="set gix:engine.certPath, or use ssh://",
        )


def _has_file(program: Path, directory: str, name: str) -> bool:
    try:
        return (program / Path(directory).expanduser() / name).is_file()
    except (OSError, RuntimeError):
        return False


def _is_loopback(host: str) -> bool:
    """Whether `host` is certainly this machine: a loopback address or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rollout(environment: Environment) -> Iterator[Problem]:
    # In Swarm, a task gets requests only when it is healthy.
    if environment.has_edge and not environment.is_swarm and not environment.settings.rollout.trial:
        yield Problem(
            subject="gix:rollout.trial = false",
            limit="a new container gets requests before its health is known, with gix:rollout.strategy start-first",
            fix="set it to true",
        )


def _replicas(environment: Environment) -> Iterator[Problem]:
    for spec in environment.specs:
        count = environment.replicas(spec)
        subject = f"gix:{spec.name}.replicas = {count}"
        if count > 1 and spec.keeps_ledger:
            yield Problem(
                subject=subject,
                limit="two containers that write one ledger would destroy it, so the limit is 1",
                fix="set it to 1, or leave it out",
            )
        elif count > 1 and not environment.has_edge:
            yield Problem(
                subject=subject,
                limit="without an edge, only one container can publish the port, so the limit is 1",
                fix="set gix:rollout.strategy to start-first",
            )
        elif count > MOST_REPLICAS_ON_ONE_MACHINE and not environment.is_swarm:
            yield Problem(
                subject=subject,
                limit=f"on one machine, a service has up to {MOST_REPLICAS_ON_ONE_MACHINE} containers",
                fix=f"set it to {MOST_REPLICAS_ON_ONE_MACHINE} or less, or set gix:engine.mode to swarm",
            )


def _addresses(environment: Environment) -> Iterator[Problem]:
    """Behind an edge, the old and the new containers of a service have addresses at the same time."""
    if not environment.has_edge:
        return
    subnet = ipaddress.IPv4Network(environment.settings.network.subnet)
    containers = sum(
        environment.replicas(spec) * (2 if environment.starts_first(spec) else 1) for spec in environment.specs
    )
    # The gateway, the edge, and a trial of each service.
    needed, usable = 2 + len(environment.specs) + containers, subnet.num_addresses - 2
    if environment.is_swarm:
        # An edge and a load balancer on each node, and an address of each service.
        needed += 2 * len(environment.settings.engine.nodes) + len(environment.service_names)
    if needed > usable:
        yield Problem(
            subject=f"gix:network.subnet = {subnet}",
            limit=f"has room for {usable} addresses, and an update needs up to {needed}",
            fix="write a larger range, such as 172.28.0.0/16, or fewer replicas",
        )


def _edge(environment: Environment) -> Iterator[Problem]:
    """Keys of the edge that need another key, and a certificate that cannot serve."""
    edge, given = environment.settings.edge, environment.settings.edge.model_dump(by_alias=True, exclude_defaults=True)
    if not environment.has_edge:
        for key in filter(_KEYS_OF_AN_EDGE.__contains__, given):
            yield Problem(
                subject=f"gix:edge.{key}",
                limit="has no effect, because gix:rollout.strategy is not start-first: there is no edge",
                fix="leave it out, or set gix:rollout.strategy to start-first",
            )
        return
    for key, needed in (("certificate", "key"), ("key", "certificate"), ("clientCa", "certificate")):
        if key in given and needed not in given:
            yield Problem(
                subject=f"gix:edge.{key}",
                limit=f"has no effect without gix:edge.{needed}",
                fix=f"set gix:edge.{needed} too, or leave it out",
            )
    if edge.certificate is not None and edge.key is not None:
        yield from edge_certificate.read(environment)[1]


def _foreign_images(environment: Environment) -> dict[str, str]:
    """The images of others that a build uses, by their keys."""
    images, found = environment.settings.images, dict[str, str]()
    if environment.builds:
        found |= {"images.builderBase": images.builder_base, "images.runtimeBase": images.runtime_base}
        if any(service.health_check.probe == "grpc" for service in environment.services.values()):
            found["images.grpcProbeImage"] = images.grpc_probe_image
    return found


def _production(environment: Environment) -> Iterator[Problem]:
    if not environment.settings.production:
        return
    images, ledger = environment.settings.images, environment.settings.ledger
    for key, image in _foreign_images(environment).items():
        if _PINNED.search(image) is None:
            yield Problem(
                subject=f"gix:{key} = {image}",
                limit="is not pinned, so that it may become another image",
                fix=f"pin it by version, date or digest: {_PINNED_EXAMPLES[key]}",
            )
    if environment.builds:
        if images.tag == "latest":
            yield Problem(
                subject="gix:images.tag = latest", limit="production does not allow `latest`", fix="set a version"
            )
    else:
        for name in environment.services:
            if name not in images.digests:
                yield Problem(
                    subject=f"gix:images.digests.{name}",
                    limit="is not set, and production pulls images by digest only",
                    fix="set the digest that the push printed: sha256:...",
                )
    edge = environment.settings.edge.image
    if environment.has_edge and "@" not in edge:
        yield Problem(
            subject=f"gix:edge.image = {edge}",
            limit="is not named by digest, and production pulls images by digest only",
            fix="add the digest that docker pull prints: NAME@sha256:...",
        )
    if "auction" in environment.services and not ledger.protect:
        yield Problem(
            subject="gix:ledger.protect = false",
            limit="production does not allow an unprotected ledger",
            fix="set it to true",
        )


_RULES: tuple[Callable[[Environment], Iterator[Problem]], ...] = (
    _services_once,
    _source,
    _sample,
    _registry,
    _engine,
    swarm_rules.mode_problems,
    _ports,
    _memory,
    _variables,
    _labels,
    _logging,
    _ulimits,
    _tmpfs,
    _rollout,
    _replicas,
    _addresses,
    _edge,
    _probes,
    _production,
)
