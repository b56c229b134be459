"""Verbs that hold a stack against what it should be."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import plan, plan_text, verify
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.stack import program_directory

PANEL = "Check"

MarkdownOption = Annotated[
    bool, typer.Option("--markdown", help="Write Markdown, for the comment of a pull request, instead of a table.")
]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Look at the engine first, as pulumi up --refresh does.")
]

app = typer.Typer()


@app.command("plan", rich_help_panel=PANEL)
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
        write_json(found)
    elif as_markdown:
        typer.echo(plan_text.markdown(found))
    else:
        Console().print(plan_text.terminal(found), highlight=False)
    if found.errors:
        raise typer.Exit(1)


@app.command("verify", rich_help_panel=PANEL)
def verify_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Compare what the stack declares with what the engine has, field by field. Exits with 1 on a difference."""
    report = verify.verify(read_stack(stack))
    if as_json:
        write_json(report)
    else:
        console = Console()
        console.print(verify.summary(report), highlight=False, markup=False)
        if report.differences:
            console.print(verify.table(report))
    if report.differences:
        raise typer.Exit(1)
