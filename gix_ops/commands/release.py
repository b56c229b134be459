"""`gixctl release`: one command for each step of a release."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops.delivery import release
from gix_ops.delivery.release import Release
from gix_ops.stack import program_directory

HEADING = "Delivery"

TrialStackOption = Annotated[str, typer.Option("--stack", "-s", help="Stack that the release is tried in.")]
FileOption = Annotated[Path, typer.Option("--file", help="JSON file with the release's digests.")]
TagOption = Annotated[str, typer.Option("--tag", help="Version of the release, used as the images' tag.")]
EnvironmentArgument = Annotated[str, typer.Argument(help="Stack to configure, for example staging.")]

app = typer.Typer(help="Build, try, push and pin releases.", no_args_is_help=True)


@app.command("try")
def try_command(tag: TagOption, stack: TrialStackOption = "release") -> None:
    """Build all images and run them as a separate stack.

    The stack is configured like staging, with the stack's name as the prefix of its objects. Its file is written anew.
    No port is published and nothing is pushed. GIX_REGISTRY_USERNAME and GIX_REGISTRY_PASSWORD, if set, are the
    registry credentials. Exits with 1 if a service does not become healthy.
    """
    release.try_out(program_directory(Path.cwd()), stack, tag)


@app.command("push")
def push_command(file: FileOption, stack: TrialStackOption = "release") -> None:
    """Push the tried images, and write their digests to FILE.

    The registry is that of prod. Nothing is built again. Exits with 1 if the registry refuses.
    """
    pushed = release.push(program_directory(Path.cwd()), stack)
    pushed.save(file)
    for service, digest in pushed.digests.items():
        typer.echo(f"{pushed.registry}/{pushed.organization}/{service}@{digest}")


@app.command("pin")
def pin_command(environment: EnvironmentArgument, file: FileOption) -> None:
    """Set a release's digests in an environment's stack file.

    Changes the file in this directory only; `pulumi up` deploys it.
    """
    release.pin(program_directory(Path.cwd()), environment, Release.load(file))


@app.command("down")
def down_command(stack: TrialStackOption = "release") -> None:
    """Remove the stack that a release was tried in.

    Containers, network, ledger, local images and the stack file are deleted. Pushed images stay.
    """
    release.trial(program_directory(Path.cwd()), stack).remove()
