"""The options that verbs share."""

from datetime import timedelta
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gix_ops.commands.options import parse_time

app = typer.Typer()


@app.command()
def show(
    wait: Annotated[timedelta, typer.Option(metavar="TIME", parser=parse_time)] = timedelta(minutes=1),
) -> None:
    typer.echo(f"{wait.total_seconds():g}")


@pytest.mark.parametrize(("words", "seconds"), [([], "60"), (["--wait", "1m30s"], "90"), (["--wait", "500ms"], "0.5")])
def test_a_time_is_read_from_the_command_line_or_is_the_default(words: list[str], seconds: str) -> None:
    assert CliRunner().invoke(app, words).output.strip() == seconds


def test_a_time_that_cannot_be_read_is_refused_with_its_option() -> None:
    done = CliRunner().invoke(app, ["--wait", "soon"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "'--wait': soon is not a time such as 10s" in done.output
