"""Verbs for what a pull request is told."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops.delivery import posting, pull_request
from gix_ops.stack import program_directory

ForkOption = Annotated[bool, typer.Option("--fork", help="The pull request comes from a fork.")]

app = typer.Typer(help="What a pull request is told.", no_args_is_help=True)


@app.command("comment")
def comment_command(
    base: Annotated[str, typer.Option("--base", help="The revision that HEAD is held against.")] = "HEAD^1",
    file: Annotated[Path | None, typer.Option("--file", help="Where to write it; else standard output.")] = None,
    fork: ForkOption = False,
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="Look at this environment alone.")] = None,
) -> None:
    """Say in Markdown what HEAD does to every environment that it touches.

    An environment is held against what is deployed, where PULUMI_BACKEND_URL names the back end that has it. Where it
    is not set, as for a fork, the base revision is brought up on this machine's engine and taken away again, with
    placeholders for secrets. Images that an update would build are built, and kept nowhere.

    Exits with 1 where something can't be previewed or built, or the policy pack refuses it; the text says what.

    Example: gixctl pull-request comment --base origin/main
    """
    made = pull_request.comment(program_directory(Path.cwd()), base, fork=fork, only=stack)
    if file is None:
        typer.echo(made.text)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made.text)
    if not made.is_good:
        typer.echo("something can't be previewed or built; the comment says what", err=True)
        raise typer.Exit(1)


@app.command("post")
def post_command(
    file: Annotated[Path, typer.Option("--file", help="The comment's text.", exists=True)],
    number: Annotated[Path, typer.Option("--number", help="A file with the pull request's number.", exists=True)],
    head: Annotated[str, typer.Option("--head", help="The commit that the event names as the pull request's head.")],
    fork: ForkOption = False,
) -> None:
    """Put a comment that another run made on its pull request on GitHub: one, kept up to date.

    Both files are data that the pull request's own code made. They are measured and held against --head; a pull request
    that is not at that commit gets nothing. Needs GitHub's gh, GH_TOKEN and GITHUB_REPOSITORY.

    Example: gixctl pull-request post --file comment.md --number number --head 1b8fe4d...
    """
    typer.echo(f"said on the pull request {posting.post(file, number, head=head, fork=fork)}")
