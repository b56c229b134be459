"""The inputs of a resource as named, readable fields, which `plan` and `verify` share.

An input without an effect (no ports, no limit, an option that is off) has no field, so that it equals one that is left
out. Secrets are compared like any other value and are never shown.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gix_model import units
from gix_model.provider_facts import CAPABILITY_PREFIX

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's marker of an unknown value in a preview. A copy: the SDK takes a third of a second to load."""

SECRET = "(secret)"  # noqa: S105 - a placeholder
EMPTY = "(empty)"

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks a special value. In inputs, this is always a secret."""
_HIDDEN = "[secret]"
"""Pulumi's placeholder for a secret in a preview."""
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Value:
    """The value of a field. If it is a secret that cannot be read, `text` is empty."""

    text: str = field(repr=False)
    secret: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return SECRET if self.secret else self.text


Fields = dict[str, dict[str, Value]]
"""By input: its fields, by name."""


@dataclass(frozen=True)
class Sealed:
    """A secret; `value` is None if it cannot be read."""

    value: Any = field(repr=False)


def read(inputs: Mapping[str, Any]) -> Fields:
    """The fields of the inputs or outputs of a resource in a preview or an exported state."""
    return {
        name: dict(_read(name, opened(value), inputs))
        for name, value in inputs.items()
        if not name.startswith("__") and value is not None
    }


def flat(fields: Fields) -> dict[str, Value]:
    """All fields by name."""
    return {name: value for values in fields.values() for name, value in values.items()}


def opened(value: Any) -> Any:
    """`value` with a Sealed for each secret, at every depth."""
    if value == _HIDDEN:
        return Sealed(None)
    if isinstance(value, list):
        return [opened(item) for item in value]
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return Sealed(json.loads(value["plaintext"]) if "plaintext" in value else None)
        return {key: opened(item) for key, item in value.items() if not key.startswith("__")}
    return value


def is_sealed(value: Any) -> bool:
    """Whether an input is or contains a secret."""
    return _has_sealed(opened(value))


def secrets(value: Any) -> Iterator[str]:
    """The secret texts in a result of `opened`."""
    match value:
        case Sealed(value=str(text)):
            yield text
        case dict():
            yield from (text for item in value.values() for text in secrets(item))
        case list():
            yield from (text for item in value for text in secrets(item))


def short(text: str) -> str:
    """`text` with short digests and ids, and readable text for unknown values."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", text).replace(UNKNOWN, "(known after the update)")


def words_for(name: str) -> str:
    """The name of an input in texts."""
    return _TITLES.get(name) or re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def seconds(count: float) -> str:
    """A time in seconds or milliseconds."""
    return f"{count * 1000:g}ms" if 0 < count < 1 else f"{count:g}s"


def port(internal: object, protocol: str) -> str:
    """The name of a published port's field."""
    return f"port {internal}/{protocol}"


def binding(address: str | None, external: object) -> str:
    """The host address and port of a published port."""
    return f"{address or _ANY_ADDRESS}:{external}"


def mount(source: str, *, read_only: bool) -> str:
    """The source of a mount."""
    return f"{source} (read-only)" if read_only else source


def aliases(names: list[str]) -> str:
    """The aliases of a container on a network."""
    return f"known as {', '.join(sorted(names))}" if names else "known by its own name"


def memory(mebibytes: float) -> str:
    """An amount of memory."""
    return "unlimited" if mebibytes < 0 else f"{mebibytes:g} MiB"


def restart(policy: str, retries: int | None) -> str:
    """A restart policy as in the configuration."""
    return f"{policy}:{retries}" if retries else policy


def processors(count: float) -> str:
    """A CPU limit."""
    return f"{count:g}"


def capability(name: str) -> str:
    """The short name of a capability. The engine accepts it with and without the prefix."""
    return name.removeprefix(CAPABILITY_PREFIX)


def _read(name: str, value: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    if name == "envs" and (variables := _one_by_one(value)) is not None:
        yield from _variables(variables)
        return
    if _has_sealed(value):
        yield words_for(name), Value("", secret=True)
        return
    texts = _restart(inputs) if name in _RESTART_INPUTS else _READERS.get(name, _plain(name))(value)
    for title, text in texts:
        if text:
            yield title, Value(text)


def _has_sealed(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_sealed, value))
    if isinstance(value, dict):
        return any(map(_has_sealed, value.values()))
    return isinstance(value, Sealed)


def _one_by_one(variables: Any) -> list[Any] | None:
    """The variables one by one; None if they cannot be read. With one secret, the whole list is marked as secret."""
    if not isinstance(variables, Sealed):
        return list(variables)
    return None if variables.value is None else [Sealed(item) for item in variables.value]


def _variables(items: list[Any]) -> Iterator[tuple[str, Value]]:
    unread = 0
    for item in items:
        secret = isinstance(item, Sealed)
        text = item.value if isinstance(item, Sealed) else item
        if text is None:
            unread += 1
            yield f"secret variable {unread}", Value("", secret=True)
        else:
            name, _, value = str(text).partition("=")
            yield f"variable {name}", Value(value or EMPTY, secret=secret)


_Texts = Iterator[tuple[str, str]]


def _labels(items: list[dict[str, str]]) -> _Texts:
    for item in items:
        yield f"label {item['label']}", item.get("value") or EMPTY


def _ports(items: list[dict[str, Any]]) -> _Texts:
    bindings: dict[str, list[str]] = {}
    for item in items:
        name = port(item["internal"], item.get("protocol") or "tcp")
        bindings.setdefault(name, []).append(binding(item.get("ip"), item.get("external") or "any"))
    for name, each in bindings.items():
        yield name, ", ".join(sorted(each))


def _networks(items: list[dict[str, Any]]) -> _Texts:
    for item in items:
        yield f"network {item['name']}", aliases(item.get("aliases") or [])


def _volumes(items: list[dict[str, Any]]) -> _Texts:
    for item in items:
        source = item.get("volumeName") or item.get("hostPath") or item.get("fromContainer") or "a volume of its own"
        yield f"mount {item.get('containerPath')}", mount(source, read_only=bool(item.get("readOnly")))


def _capabilities(items: dict[str, list[str]]) -> _Texts:
    for kind, title in (("adds", "capabilities added"), ("drops", "capabilities dropped")):
        yield title, ", ".join(sorted(map(capability, items.get(kind) or [])))


def _health_check(check: dict[str, Any]) -> _Texts:
    yield "health check probe", shlex.join(check.get("tests") or [])
    for name, title in (
        ("interval", "interval"),
        ("timeout", "timeout"),
        ("startPeriod", "start period"),
        ("startInterval", "start interval"),
    ):
        count = units.parse_duration(check.get(name) or "0s").total_seconds()
        yield f"health check {title}", seconds(count) if count else ""
    yield "health check retries", _text(check.get("retries"))


def _by_key(title: str) -> Callable[[dict[str, Any]], _Texts]:
    def read(items: dict[str, Any]) -> _Texts:
        for key, value in items.items():
            yield f"{title} {key}", _text(value) or EMPTY

    return read


def _ulimits(items: list[dict[str, Any]]) -> _Texts:
    for item in items:
        yield f"ulimit {item['name']}", f"{item['soft']}:{item['hard']}"


def _hosts(items: list[dict[str, str]]) -> _Texts:
    for item in items:
        yield f"extra host {item['host']}", item["ip"]


def _security(items: list[str]) -> _Texts:
    yield "security options", ", ".join(sorted(items))


def _command(words: list[str]) -> _Texts:
    yield "command", shlex.join(words)


def _subnets(pools: list[dict[str, Any]]) -> _Texts:
    yield "subnet", ", ".join(sorted(pool["subnet"] for pool in pools if pool.get("subnet")))
    yield "gateway", ", ".join(sorted(pool["gateway"] for pool in pools if pool.get("gateway")))


def _build(build: dict[str, Any]) -> _Texts:
    yield "source", _text(build.get("contextDigest"))
    yield from _by_key("build argument")(build.get("args") or {})
    for name, value in build.items():
        if name not in ("contextDigest", "args"):
            yield f"build {words_for(name)}", _text(value)


def _mebibytes(title: str) -> Callable[[float], _Texts]:
    def read(value: float) -> _Texts:
        yield title, memory(value) if value else ""

    return read


def _seconds(title: str) -> Callable[[float], _Texts]:
    def read(value: float) -> _Texts:
        yield title, seconds(value) if value else ""

    return read


def _plain(name: str) -> Callable[[Any], _Texts]:
    def read(value: Any) -> _Texts:
        yield words_for(name), _text(value)

    return read


def _restart(inputs: Mapping[str, Any]) -> _Texts:
    yield "restart", restart(inputs.get("restart") or "no", inputs.get("maxRetryCount"))


def _processors(value: str | float) -> _Texts:
    yield "cpus", processors(float(value)) if float(value) else ""


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _ if not value:
            return ""
        case int() | float():
            return f"{value:.0f}" if float(value).is_integer() else str(value)
        case _:
            return json.dumps(value, sort_keys=True)


_TITLES = {
    "envs": "variables",
    "memorySwap": "memory with swap",
    "workingDir": "working directory",
    "readOnly": "read-only root",
    "imageName": "tag",
    "registryAuth": "registry log-in",
    "host": "engine",
}
_RESTART_INPUTS = ("restart", "maxRetryCount")
_READERS: dict[str, Callable[[Any], _Texts]] = {
    "build": _build,
    "capabilities": _capabilities,
    "command": _command,
    "cpus": _processors,
    "destroyGraceSeconds": _seconds("time to stop"),
    "healthcheck": _health_check,
    "hosts": _hosts,
    "ipamConfigs": _subnets,
    "labels": _labels,
    "logOpts": _by_key("log option"),
    "memory": _mebibytes("memory"),
    "memoryReservation": _mebibytes("memory reservation"),
    "memorySwap": _mebibytes("memory with swap"),
    "networksAdvanced": _networks,
    "ports": _ports,
    "securityOpts": _security,
    "stopTimeout": _seconds("stop grace"),
    "tmpfs": _by_key("tmpfs"),
    "ulimits": _ulimits,
    "volumes": _volumes,
    "waitTimeout": _seconds("time to become healthy"),
}
