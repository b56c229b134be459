"""Verbs for releases, and for what becomes of an environment after one."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops.delivery import drift, release
from gix_ops.delivery.release import Release
from gix_ops.stack import program_directory

StackNameOption = Annotated[str, typer.Option("--stack", "-s", help="The stack that the release is tried with.")]
FileOption = Annotated[Path, typer.Option("--file", help="The file with the release's digests.")]

app = typer.Typer()
releases = typer.Typer(help="Images that are pushed once and run everywhere by digest.", no_args_is_help=True)


@releases.command("try")
def try_command(
    tag: Annotated[str, typer.Option("--tag", help="The release's name; the images' tag.")],
    stack: StackNameOption = "release",
) -> None:
    """Build all images, and bring them up on this machine's engine as a stack of its own, like staging.

    Its names begin with the stack's name, and no port is published. Pushes nothing. Exits with 1 where a service does
    not become healthy. GIX_REGISTRY_USERNAME and GIX_REGISTRY_PASSWORD, where they are set, are its log-in.
    """
    release.try_out(program_directory(Path.cwd()), stack, tag)


@releases.command("push")
def push_command(file: FileOption, stack: StackNameOption = "release") -> None:
    """Push what was tried to prod's registry, and write the digests down for `gixctl release pin`.

    The content is what was tried: nothing in it is built again. Exits with 1 where the registry refuses.
    """
    pushed = release.push(program_directory(Path.cwd()), stack)
    pushed.save(file)
    for service, digest in pushed.digests.items():
        typer.echo(f"{pushed.registry}/{pushed.organization}/{service}@{digest}")


@releases.command("pin")
def pin_command(
    environment: Annotated[str, typer.Argument(help="The environment, e.g. staging.")], file: FileOption
) -> None:
    """Have the environment's stack file, here and not in git, name a release's digests. Changes nothing that runs."""
    release.pin(program_directory(Path.cwd()), environment, Release.load(file))


@releases.command("down")
def down_command(stack: StackNameOption = "release") -> None:
    """Remove the stack that a release was tried with. What was pushed stays."""
    release.take_down(program_directory(Path.cwd()), stack)


@app.command("drift", rich_help_panel="Check")
def drift_command(
    stacks: Annotated[list[str], typer.Argument(help="The environments to look at.")],
    issue: Annotated[
        bool, typer.Option("--issue", help="Keep an issue on GitHub for each environment that differs.")
    ] = False,
) -> None:
    """Look whether environments are as they were deployed: by a refresh, and field by field as verify does.

    Changes nothing. Images are those that each environment runs, whatever HEAD would build. With --issue it needs
    GitHub's gh, GH_TOKEN and GITHUB_REPOSITORY. Exits with 1 on drift, or where an environment can't be looked at.

    Example: gixctl drift staging prod
    """
    directory = program_directory(Path.cwd())
    found = [drift.look(directory, stack) for stack in stacks]
    typer.echo(drift.report(found))
    if issue:
        for each in found:
            typer.echo(drift.tell(each))
    if any(each.is_there for each in found):
        raise typer.Exit(1)
