"""Shows the end of a container's log if it does not become healthy and the update fails."""

import pulumi
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from pulumi import ErrorHook, ErrorHookArgs, ResourceHookBinding

from gix_engine import connection
from gix_model.environment import Environment

LOG_LINES = 20
"""Number of log lines that are shown."""


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
        found = state_and_log(client.containers.get(name))
    except NotFound:
        return f"{name} was not created."
    except (DockerException, OSError) as error:
        return f"{name}: its log cannot be read ({error})."
    return f"{name} is not healthy: {found}"


def state_and_log(container: Container) -> str:
    """The state of a container, its health, and the last lines of its log.

    Raises docker.errors.DockerException or OSError if the engine does not give them.
    """
    state = container.attrs["State"]
    log = container.logs(tail=LOG_LINES).decode(errors="replace").rstrip()
    health = state.get("Health", {}).get("Status", "no health check")
    what = f"{state['Status']}, exit code {state['ExitCode']}" if state["Status"] == "exited" else state["Status"]
    shown = "\n".join(f"    {line}" for line in log.splitlines()) or "    (it wrote nothing)"
    return f"{what}, {health}. The last lines of its log (docker logs {container.name}):\n{shown}"
