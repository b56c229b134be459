"""The values of a resource's inputs as readable texts, which `plan` and `verify` show and compare.

A function that ends in `_fields` yields the name and the text of each part of an input. An empty text means that the
part has no effect, as if it was left out.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gix_model import units
from gix_model.provider_facts import CAPABILITY_PREFIX

EMPTY = "(empty)"
"""The text of an empty value where a value has an effect although it is empty."""

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared, not bound

Texts = Iterator[tuple[str, str]]
"""Names of fields, each with its text."""


def words(name: str) -> str:
    """The name of an input as separate words: `stopSignal` is `stop signal`."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def plain(value: object) -> str:
    """Any value: `yes` or `no`, a number without needless decimals, or JSON. No value and zero are empty."""
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


def seconds(count: float) -> str:
    """A time in seconds or milliseconds."""
    if not count:
        return ""
    return f"{count * 1000:g}ms" if 0 < count < 1 else f"{count:g}s"


def memory(mebibytes: float) -> str:
    """An amount of memory in MiB."""
    if not mebibytes:
        return ""
    return "unlimited" if mebibytes < 0 else f"{mebibytes:g} MiB"


def processors(count: str | float) -> str:
    """A CPU limit."""
    return f"{float(count):g}" if float(count) else ""


def listed(values: list[str]) -> str:
    """Values whose order has no effect."""
    return ", ".join(sorted(values))


def keyed_fields(title: str) -> Callable[[Mapping[str, Any]], Texts]:
    """A field for each key of a mapping, named `title` and the key."""

    def read(items: Mapping[str, Any]) -> Texts:
        for key, value in items.items():
            yield f"{title} {key}", plain(value) or EMPTY

    return read


def label_fields(items: list[dict[str, str]]) -> Texts:
    """A field for each label."""
    for item in items:
        yield f"label {item['label']}", item.get("value") or EMPTY


def port_fields(items: list[dict[str, Any]]) -> Texts:
    """A field for each port of the container, with the addresses of the host that it is published on."""
    bindings: dict[str, list[str]] = {}
    for item in items:
        name = f"port {item['internal']}/{item.get('protocol') or 'tcp'}"
        bindings.setdefault(name, []).append(f"{item.get('ip') or _ANY_ADDRESS}:{item.get('external') or 'any'}")
    for name, each in bindings.items():
        yield name, listed(each)


def network_fields(items: list[dict[str, Any]]) -> Texts:
    """A field for each network, with the container's aliases on it."""
    for item in items:
        aliases = item.get("aliases")
        yield f"network {item['name']}", f"known as {listed(aliases)}" if aliases else "known by its own name"


def mount_fields(items: list[dict[str, Any]]) -> Texts:
    """A field for each mounted volume or directory."""
    for item in items:
        source = item.get("volumeName") or item.get("hostPath") or item.get("fromContainer") or "a volume of its own"
        yield f"mount {item.get('containerPath')}", f"{source} (read-only)" if item.get("readOnly") else source


def capability_fields(items: dict[str, list[str] | None]) -> Texts:
    """The capabilities by their short names. The engine accepts each with and without the prefix."""
    for kind, title in (("adds", "capabilities added"), ("drops", "capabilities dropped")):
        yield title, listed([name.removeprefix(CAPABILITY_PREFIX) for name in items.get(kind) or []])


def health_check_fields(check: dict[str, Any]) -> Texts:
    """The probe of a health check, its times and its retries."""
    yield "health check probe", shlex.join(check.get("tests") or [])
    for name in ("interval", "timeout", "startPeriod", "startInterval"):
        time = units.parse_duration(check.get(name) or "0s")
        yield f"health check {words(name)}", seconds(time.total_seconds())
    yield "health check retries", plain(check.get("retries"))


def ulimit_fields(items: list[dict[str, Any]]) -> Texts:
    """A field for each limit of the processes."""
    for item in items:
        yield f"ulimit {item['name']}", f"{item['soft']}:{item['hard']}"


def host_fields(items: list[dict[str, str]]) -> Texts:
    """A field for each additional entry of /etc/hosts."""
    for item in items:
        yield f"extra host {item['host']}", item["ip"]


def subnet_fields(pools: list[dict[str, Any]]) -> Texts:
    """The subnets and gateways of a network."""
    yield "subnet", listed([pool["subnet"] for pool in pools if pool.get("subnet")])
    yield "gateway", listed([pool["gateway"] for pool in pools if pool.get("gateway")])


def build_fields(build: dict[str, Any]) -> Texts:
    """How an image is built."""
    yield "source", plain(build.get("contextDigest"))
    yield from keyed_fields("build argument")(build.get("args") or {})
    for name, value in build.items():
        if name not in ("contextDigest", "args"):
            yield f"build {words(name)}", plain(value)
