"""The fields of a service of Swarm: as Pulumi's state declares them, and as a manager's record has them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gix_model import provider_facts, units
from gix_ops import fields
from gix_ops.fields import Sealed, Value
from gix_ops.resources import Record

_NANO = 10**9
Text = Callable[[Any], object]


def declared(inputs: Record, *, hide_variables: bool = True) -> dict[str, Value]:
    """The fields of a service from its inputs in Pulumi's state.

    Variables count as secrets unless `hide_variables` is false: a manager does not say which ones are.
    """
    plain = _unsealed(fields.opened(inputs))
    variables = _at(plain, "taskSpec.containerSpec.env") or {}
    return _values({row.title: row.declared_text(_at(plain, row.declared)) for row in _ROWS}) | _values(
        {f"label {each['label']}": each.get("value") for each in plain.get("labels") or ()}
        | {f"log option {key}": value for key, value in (_at(plain, "taskSpec.logDriver.options") or {}).items()}
        | _variables(((key, str(value)) for key, value in variables.items()), hide=hide_variables)
    )


def observed(spec: Record) -> dict[str, Value]:
    """The fields of a service from the part `Spec` of a manager's record."""
    variables = (each.partition("=") for each in _at(spec, "TaskTemplate.ContainerSpec.Env") or ())
    return _values({row.title: row.observed_text(_at(spec, row.observed)) for row in _ROWS}) | _values(
        {f"label {key}": value for key, value in (spec.get("Labels") or {}).items()}
        | {f"log option {key}": value for key, value in (_at(spec, "TaskTemplate.LogDriver.Options") or {}).items()}
        | _variables(((key, value) for key, _, value in variables), hide=True)
    )


def _variables(found: Iterable[tuple[str, str]], *, hide: bool) -> dict[str, object]:
    return {f"variable {key}": Value(value, secret=hide) for key, value in found}


def _values(found: Mapping[str, object]) -> dict[str, Value]:
    """The fields that have a value. Zero and an empty value are what Swarm has for none."""
    return {name: each if isinstance(each, Value) else Value(_shown(each)) for name, each in found.items() if each}


def _shown(value: object) -> str:
    return "yes" if value is True else str(value)


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = (value or {}).get(key)
    return value


def _unsealed(value: Any) -> Any:
    match value:
        case Sealed(value=inner):
            return _unsealed(inner)
        case dict():
            return {key: _unsealed(each) for key, each in value.items()}
        case list():
            return [_unsealed(each) for each in value]
    return value


def _same(value: object) -> object:
    return value


def _joined(words: Iterable[str] | None) -> str:
    return " ".join(words or ())


def _time(text: str | None) -> str | None:
    return _seconds(units.parse_duration(text).total_seconds()) if text else None


def _nanoseconds(count: int | None) -> str | None:
    return _seconds((count or 0) / _NANO)


def _seconds(seconds: float) -> str | None:
    return f"{seconds:g} s" if seconds else None


def _each(text: Text = _same) -> Text:
    """The texts of a list's entries, sorted, since their order has no meaning."""
    return lambda values: ", ".join(sorted(str(text(each)) for each in values or ()))


def _capability(name: str) -> str:
    return name.removeprefix(provider_facts.CAPABILITY_PREFIX)


def _mode(mode: Record | None) -> object:
    lower = {key.lower(): value for key, value in (mode or {}).items()}
    if lower.get("replicated"):
        return next(iter(lower["replicated"].values()), None)
    return "global" if "global" in lower else None


def _mount(kind: str, source: str, target: str) -> Text:
    return lambda each: f"{each.get(kind)} {each.get(source) or ''} {each[target]}"


def _port(external: str, internal: str, mode: str) -> Text:
    return lambda each: f"{each.get(external)}:{each[internal]} {each.get(mode)}"


@dataclass(frozen=True)
class _Row:
    """A field: its title, and where and how each side has it."""

    title: str
    declared: str
    observed: str
    declared_text: Text = _same
    observed_text: Text = _same


def _container(title: str, declared: str, observed: str, *texts: Text) -> _Row:
    return _Row(title, f"taskSpec.containerSpec.{declared}", f"TaskTemplate.ContainerSpec.{observed}", *texts)


def _task(title: str, declared: str, observed: str, *texts: Text) -> _Row:
    return _Row(title, f"taskSpec.{declared}", f"TaskTemplate.{observed}", *texts)


def _policies() -> Iterator[_Row]:
    for title in ("update", "rollback"):
        declared, observed = f"{title}Config", f"{title.capitalize()}Config"
        yield _Row(f"{title} order", f"{declared}.order", f"{observed}.Order")
        yield _Row(f"{title} failure action", f"{declared}.failureAction", f"{observed}.FailureAction")
        yield _Row(f"{title} parallelism", f"{declared}.parallelism", f"{observed}.Parallelism")


def _resources() -> Iterator[_Row]:
    for title, declared, observed in (("limit", "limits", "Limits"), ("reservation", "reservation", "Reservations")):
        yield _task(f"cpu {title} (nano)", f"resources.{declared}.nanoCpus", f"Resources.{observed}.NanoCPUs")
        yield _task(f"memory {title} (bytes)", f"resources.{declared}.memoryBytes", f"Resources.{observed}.MemoryBytes")


_ROWS = (
    _container("image", "image", "Image"),
    _container("entrypoint", "commands", "Command", _joined, _joined),
    _container("command", "args", "Args", _joined, _joined),
    _container("user", "user", "User"),
    _container("working directory", "dir", "Dir"),
    _container("read-only root", "readOnly", "ReadOnly"),
    _container("init", "init", "Init"),
    _container("stop signal", "stopSignal", "StopSignal"),
    _container("stop grace", "stopGracePeriod", "StopGracePeriod", _time, _nanoseconds),
    _container("health check", "healthcheck.tests", "Healthcheck.Test", _joined, _joined),
    _container("health check interval", "healthcheck.interval", "Healthcheck.Interval", _time, _nanoseconds),
    _container("health check timeout", "healthcheck.timeout", "Healthcheck.Timeout", _time, _nanoseconds),
    _container("health check start period", "healthcheck.startPeriod", "Healthcheck.StartPeriod", _time, _nanoseconds),
    _container("health check retries", "healthcheck.retries", "Healthcheck.Retries"),
    _container("dropped capabilities", "capDrops", "CapabilityDrop", _each(_capability), _each(_capability)),
    _container("added capabilities", "capAdds", "CapabilityAdd", _each(_capability), _each(_capability)),
    _container(
        "secrets",
        "secrets",
        "Secrets",
        _each(lambda each: f"{each.get('secretName')} {each['fileName']}"),
        _each(lambda each: f"{each['SecretName']} {each['File']['Name']}"),
    ),
    _container(
        "configs",
        "configs",
        "Configs",
        _each(lambda each: f"{each.get('configName')} {each['fileName']}"),
        _each(lambda each: f"{each['ConfigName']} {each['File']['Name']}"),
    ),
    _container(
        "hosts",
        "hosts",
        "Hosts",
        _each(lambda each: f"{each['host']} {each['ip']}"),
        _each(lambda each: " ".join(reversed(each.split()))),
    ),
    _container(
        "mounts",
        "mounts",
        "Mounts",
        _each(_mount("type", "source", "target")),
        _each(_mount("Type", "Source", "Target")),
    ),
    _task("restart", "restartPolicy.condition", "RestartPolicy.Condition"),
    _task("constraints", "placement.constraints", "Placement.Constraints", _each(), _each()),
    _task(
        "spread",
        "placement.prefs",
        "Placement.Preferences",
        _each(),
        _each(lambda each: each["Spread"]["SpreadDescriptor"]),
    ),
    _task("most tasks on a node", "placement.maxReplicas", "Placement.MaxReplicas"),
    _task("log driver", "logDriver.name", "LogDriver.Name"),
    _task(
        "networks", "networksAdvanceds", "Networks", _each(lambda each: each["id"]), _each(lambda each: each["Target"])
    ),
    _Row("replicas", "mode", "Mode", _mode, _mode),
    _Row("endpoint mode", "endpointSpec.mode", "EndpointSpec.Mode"),
    _Row(
        "ports",
        "endpointSpec.ports",
        "EndpointSpec.Ports",
        _each(_port("publishedPort", "targetPort", "publishMode")),
        _each(_port("PublishedPort", "TargetPort", "PublishMode")),
    ),
    *_resources(),
    *_policies(),
)
