"""Shows the end of a container's log if it does not become healthy and the update fails."""

import pulumi
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from pulumi import ErrorHook, ErrorHookArgs, ResourceHookBinding

from gix_engine import connection
from gix_model.environment import Environment

LOG_LINES = 20
"""Number of log lines that are shown."""
PROBE_WIDTH = 200
"""Number of characters that are shown of what a probe printed."""


def explain_failure(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks for containers that show state and log after a failed creation. `name` is the name of the hook."""

    def show(args: ErrorHookArgs) -> bool:
        container = (args.new_inputs or {}).get("name")
        if args.failed_operation == "create" and isinstance(container, str):
            pulumi.log.error(last_words(environment, container))
        return False

    return ResourceHookBinding(on_error=[ErrorHook(name, show)])


def last_words(environment: Environment, name: str) -> str:
    """The state of the container `name`, its health, and the last lines of its log."""
    try:
        client = connection.connect(environment.settings.engine, environment.directory)
        container = client.containers.get(name)
        state, log = describe_state(container), log_end(container)
    except NotFound:
        return f"{name} was not created."
    except (DockerException, OSError) as error:
        return f"{name}: its log cannot be read ({error})."
    return f"{name} is not healthy: {state}. The last lines of its log (docker logs {name}):\n{log}"


def describe_state(container: Container) -> str:
    """The state of a container and its health, as it was read last: `exited, exit code 3, unhealthy`.

    If it runs, also what its last probe printed, unless that succeeded.
    """
    state = container.attrs["State"]
    health = state.get("Health") or {}
    what = f"{state['Status']}, exit code {state['ExitCode']}" if state["Status"] == "exited" else state["Status"]
    described = f"{what}, {health.get('Status', 'no health check')}"
    failed = [each["Output"] for each in (health.get("Log") or [])[-1:] if each["ExitCode"]]
    printed = " ".join("".join(failed).split())
    return f"{described}; its last probe: {printed[:PROBE_WIDTH]}" if printed and what == "running" else described


def log_end(container: Container) -> str:
    """The last lines of a container's log, indented.

    Raises docker.errors.DockerException or OSError if the engine does not give them.
    """
    log = container.logs(tail=LOG_LINES).decode(errors="replace").rstrip()
    return "\n".join(f"    {line}" for line in log.splitlines()) or "    (it wrote nothing)"
