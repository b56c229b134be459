"""The `gixctl` command: its groups of verbs put together, and how its failures are told.

Exit codes: 0 all is well, 1 something is not as it should be or could not be done, 2 the words are wrong.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from gix_components import __version__
from gix_components.backups.errors import LedgerError
from gix_ops.commands import check, data, delivery, look, pull_request, review
from gix_ops.errors import StackError

_EXIT_CODES = """
Exit codes: 0 all is well; 1 something is not as it should be, or could not be done; 2 the words are wrong.
"""

app = typer.Typer(
    name="gixctl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown", epilog=_EXIT_CODES
)
for group in (look, check, data, delivery):
    app.add_typer(group.app)
app.add_typer(review.app, name="review")
app.add_typer(pull_request.app, name="pull-request")
app.add_typer(delivery.releases, name="release")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"gixctl {__version__}")
        raise typer.Exit


@app.callback()
def gixctl(
    cwd: Annotated[
        Path | None,
        typer.Option("--cwd", "-C", help="Run as if started in this directory, as with pulumi and git.", exists=True),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Day-two work on a GIX stack: what Pulumi itself does not do.

    Runs in any directory of a clone. A verb works on the stack of --stack, or else the one that Pulumi has selected
    (pulumi stack select), and on the Docker engine that this stack names.
    """
    if cwd is not None:
        os.chdir(cwd)


def main() -> None:
    """Run the command; what a person can mend is told in a line, without a traceback."""
    try:
        app(prog_name="gixctl")
    except (StackError, LedgerError) as error:
        typer.secho(f"gixctl: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
