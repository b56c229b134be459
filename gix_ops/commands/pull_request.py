"""`gixctl pull-request`: the comment that shows what a change does."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops.delivery import posting, pull_request
from gix_ops.stack import program_directory

HEADING = "Delivery"

ForkOption = Annotated[bool, typer.Option("--fork", help="The pull request comes from a fork.")]
BaseOption = Annotated[str, typer.Option("--base", help="Revision to compare HEAD with.")]
OnlyOption = Annotated[str | None, typer.Option("--stack", "-s", help="Stack to describe. Default: all.")]
OutputOption = Annotated[Path | None, typer.Option("--file", help="File to write. Default: standard output.")]
TextOption = Annotated[Path, typer.Option("--file", help="File with the comment's text.", exists=True)]
NumberOption = Annotated[Path, typer.Option("--number", help="File with the pull request's number.", exists=True)]
HeadOption = Annotated[str, typer.Option("--head", help="Commit that the event names as the pull request's head.")]

app = typer.Typer(help="Write and post the comment on a pull request.", no_args_is_help=True)


@app.command("comment")
def comment_command(
    base: BaseOption = "HEAD^1", file: OutputOption = None, fork: ForkOption = False, stack: OnlyOption = None
) -> None:
    """Write the comment: what HEAD changes in each stack.

    If the back end of PULUMI_BACKEND_URL has the stack, HEAD is compared with what is deployed. Otherwise, for example
    for a fork, the base revision is deployed to this machine's engine with placeholders for secrets, and removed
    afterwards. Images that an update would build are built, and not kept.

    Exits with 1 if a preview or build fails, or the policy pack refuses the change; the comment says which.

    Example: gixctl pull-request comment --base origin/main
    """
    made = pull_request.comment(program_directory(Path.cwd()), base, fork=fork, only=stack)
    if file is None:
        typer.echo(made.text)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made.text)
    if not made.is_good:
        typer.echo("a preview or build failed, or a policy was violated; the comment says which", err=True)
        raise typer.Exit(1)


@app.command("post")
def post_command(file: TextOption, number: NumberOption, head: HeadOption, fork: ForkOption = False) -> None:
    """Post a comment that another run wrote, or update it.

    Both files come from the pull request's own code and are treated as data. Nothing is posted if the pull request is
    not at the commit --head. Needs the gh command, GH_TOKEN and GITHUB_REPOSITORY.

    Example: gixctl pull-request post --file comment.md --number number --head 1b8fe4d...
    """
    typer.echo(f"posted on pull request {posting.post(file, number, head=head, fork=fork)}")
