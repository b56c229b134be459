"""The `gixctl` command: reads its words, calls the verb's module, shows what comes back.

Exit codes: 0 all is well, 1 something is not as it should be or could not be done, 2 the words are wrong.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_components.settings import EngineSettings
from gix_ops import ledger, plan, plan_text, review, status, verify
from gix_ops.errors import StackError
from gix_ops.stack import Stack, program_directory, reach

app = typer.Typer(
    name="gixctl",
    help="Day-two work on a GIX stack.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

review_app = typer.Typer(help="Throw-away stacks for pull requests.", no_args_is_help=True)
app.add_typer(review_app, name="review")

NumberArgument = Annotated[int, typer.Argument(help="The pull request's number.", min=1)]
StackOption = Annotated[
    str | None, typer.Option("--stack", "-s", help="The stack; without it, the one that Pulumi has selected.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]

MarkdownOption = Annotated[
    bool, typer.Option("--markdown", help="Write Markdown, for the comment of a pull request, instead of a table.")
]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Look at the engine first, as pulumi up --refresh does.")
]


@app.callback()
def gixctl() -> None:
    """Day-two work on a GIX stack: what Pulumi itself does not do."""


@app.command("status")
def status_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show every service: container, image digest, address, health. Exits with 1 where one is not healthy."""
    read = Stack.read(stack, program_directory(Path.cwd()))
    found = status.statuses(read)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in found], indent=2))
    else:
        Console().print(status.table(read, found))
    if not all(each.is_healthy for each in found):
        raise typer.Exit(1)


@app.command("verify")
def verify_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Compare what the stack declares with what the engine has, field by field. Exits with 1 on a difference."""
    report = verify.verify(Stack.read(stack, program_directory(Path.cwd())))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        console = Console()
        console.print(verify.summary(report), highlight=False, markup=False)
        if report.differences:
            console.print(verify.table(report))
    if report.differences:
        raise typer.Exit(1)


@app.command("plan")
def plan_command(
    stack: StackOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
    refresh: RefreshOption = False,
) -> None:
    """Say what `pulumi up` would do to each service, and why. Exits with 1 only where the preview fails."""
    if as_json and as_markdown:
        raise typer.BadParameter("give --json or --markdown, not both")
    found = plan.read(program_directory(Path.cwd()), stack, refresh=refresh)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
    elif as_markdown:
        typer.echo(plan_text.markdown(found))
    else:
        Console().print(plan_text.terminal(found), highlight=False)
    if found.errors:
        raise typer.Exit(1)


@app.command("address")
def address_command(
    service: Annotated[str, typer.Argument(help="router, auction or enclave.")], stack: StackOption = None
) -> None:
    """Print the HOST:PORT at which the host publishes a service. Exits with 1 where it does not."""
    endpoint = Stack.read(stack, program_directory(Path.cwd())).endpoint(service)
    typer.echo(endpoint)


@app.command("delete-ledger")
def delete_ledger(
    volume: Annotated[str, typer.Argument(help="The volume's name on the engine, e.g. gcam-data.")],
) -> None:
    """Delete a ledger's volume for good, by its name, on the engine of DOCKER_HOST or else this machine's.

    Its stack must be down: pulumi destroy leaves the volume.
    """
    ledger.delete(reach(EngineSettings(), Path.cwd()), volume)
    typer.echo(f"deleted the volume {volume}")


@review_app.command("up")
def review_up(number: NumberArgument) -> None:
    """Bring up the stack pr-NUMBER: like `dev`, with names, ports and a subnet of its own."""
    directory = program_directory(Path.cwd())
    review.bring_up(directory, number)
    stack = Stack.read(f"pr-{number}", directory)
    Console().print(status.table(stack, status.statuses(stack)))


@review_app.command("down")
def review_down(number: NumberArgument) -> None:
    """Remove the stack pr-NUMBER for good: containers, network, ledger, images, and its file."""
    review.take_down(program_directory(Path.cwd()), number)
    typer.echo(f"pr-{number} is gone")


def main() -> None:
    """Run the command; what a person can mend is told in a line, without a traceback."""
    try:
        app()
    except StackError as error:
        typer.secho(f"gixctl: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
