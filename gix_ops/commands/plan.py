"""`gixctl plan`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops.commands.options import JsonOption, StackOption, write_json
from gix_ops.planning import plan, plan_text
from gix_ops.stack import program_directory

HEADING = "Check"

MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request comment.")]
RefreshOption = Annotated[bool, typer.Option("--refresh", help="Refresh the state from the engine first.")]


def command(
    stack: StackOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
    refresh: RefreshOption = False,
) -> None:
    """Show what `pulumi up` would do to each service, and why.

    Exits with 1 only if the preview fails.
    """
    if as_json and as_markdown:
        raise typer.BadParameter("--json and --markdown exclude each other; give one of them")
    found = plan.read(program_directory(Path.cwd()), stack, refresh=refresh)
    if as_json:
        write_json(found)
    elif as_markdown:
        typer.echo(plan_text.markdown(found))
    else:
        Console().print(plan_text.terminal(found), highlight=False)
    if found.errors:
        raise typer.Exit(1)
