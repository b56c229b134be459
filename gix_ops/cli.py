"""The `gixctl` command: how it finds its verbs, and how it reports errors.

Exit codes: 0: success; 1: a check failed, or the command could not do its work; 2: invalid usage.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from gix_ledger.errors import LedgerError
from gix_model import __version__
from gix_model.stack_file import StackFileError
from gix_ops import commands
from gix_ops.errors import StackError

HEADINGS = ("Inspect", "Check", "Ledger", "Delivery")
"""The headings in `gixctl --help`, in their order. Typer lists verbs that have verbs of their own last."""

_EXIT_CODES = "Exit codes: 0: success; 1: a check failed, or the command could not do its work; 2: invalid usage."


def application(words: Sequence[str] = ()) -> typer.Typer:
    """The command with all verbs, or with the verb alone that the command line `words` begins with.

    Loading all verbs takes longer than most verbs work.
    """
    app = typer.Typer(
        callback=_options,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        epilog=_EXIT_CODES,
    )
    modules = [each.name for each in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}.")]
    first = next(iter(words), None)
    for verb in _load([each for each in modules if _verb(each) == first]) or _load(modules):
        name = _verb(verb.__name__)
        if hasattr(verb, "app"):
            app.add_typer(verb.app, name=name, rich_help_panel=verb.HEADING)
        else:
            app.command(name, rich_help_panel=verb.HEADING)(verb.command)
    return app


def _load(modules: Sequence[str]) -> list[ModuleType]:
    """Those of the modules that have a heading, by heading and then by name."""
    verbs = [module for module in map(importlib.import_module, sorted(modules)) if hasattr(module, "HEADING")]
    order = [*HEADINGS, *(module.HEADING for module in verbs)]
    return sorted(verbs, key=lambda module: order.index(module.HEADING))


def _verb(module: str) -> str:
    return module.rpartition(".")[2].replace("_", "-")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"gixctl {__version__}")
        raise typer.Exit


def _options(
    cwd: Annotated[
        Path | None,
        typer.Option("--cwd", "-C", help="Run as if gixctl was started in this directory.", exists=True),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Operate a GIX stack: the day-two work that Pulumi itself does not do.

    Runs in any directory of a clone. A verb uses the stack of --stack, or the stack that Pulumi has selected, and the
    Docker engine that this stack names.
    """
    if cwd is not None:
        os.chdir(cwd)


def main() -> None:
    """Run the command. An error that a user can fix is printed as one line, without a traceback."""
    try:
        application(sys.argv[1:])(prog_name="gixctl")
    except (StackError, StackFileError, LedgerError) as error:
        typer.secho(f"gixctl: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
