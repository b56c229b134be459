"""The help texts of gixctl: a first line that fits, and a text for every option."""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gix_ops import cli
from gix_ops import commands as commands_package
from tests.unit.declared import PROGRAM

LONGEST_SUMMARY = 58
"""The characters beside a verb's name in a terminal of 80 columns."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every verb, also those of groups, with the words that call it."""
    if path:
        yield " ".join(path), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


VERBS = dict(commands(typer.main.get_command(cli.application())))


@pytest.mark.parametrize("verb", VERBS)
def test_the_first_line_of_a_verb_s_help_fits_on_a_line(verb: str) -> None:
    summary = (VERBS[verb].help or "").partition("\n")[0]
    assert summary.endswith(".")
    assert len(summary) <= LONGEST_SUMMARY


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_and_argument_has_a_help_text(verb: str) -> None:
    missing = [each.name for each in VERBS[verb].params if each.name != "help" and not getattr(each, "help", None)]
    assert missing == []


def test_a_module_with_a_command_is_a_verb_under_its_heading() -> None:
    root = typer.main.get_command(cli.application())
    found: dict[str, str] = {name: verb.rich_help_panel for name, verb in getattr(root, "commands", {}).items()}
    names = [module.name for module in pkgutil.iter_modules(commands_package.__path__)]
    modules = {name: importlib.import_module(f"{commands_package.__name__}.{name}") for name in names}
    verbs = {name: module for name, module in modules.items() if hasattr(module, "command") or hasattr(module, "app")}
    assert found == {name.replace("_", "-"): module.HEADING for name, module in verbs.items()}
    assert [heading for heading in dict.fromkeys(found.values()) if heading in cli.HEADINGS] == [*cli.HEADINGS]


def test_a_verb_is_found_by_its_module_alone(tmp_path: Path) -> None:
    (tmp_path / "say_hello.py").write_text(
        'HEADING = "Greetings"\n\n\ndef command() -> None:\n    """Greet."""\n    print("hello")\n'
    )
    script = (
        "import sys\nfrom gix_ops import commands\ncommands.__path__.append(sys.argv.pop(1))\n"
        "from gix_ops import cli\ncli.main()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run([*command, "say-hello"], cwd=PROGRAM, capture_output=True, text=True, check=False)
    assert done.stdout == "hello\n", done.stderr
    shown = subprocess.run([*command, "--help"], cwd=PROGRAM, capture_output=True, text=True, check=True).stdout
    assert shown.index("Ledger") < shown.index("Greetings") < shown.index("say-hello")


TEXTS = sorted(
    file
    for pattern in ("gix_*/**/*.py", "*.md", "docs/*.md", "docs/adr/*.md", "Makefile")
    for file in PROGRAM.glob(pattern)
    if file.name != "CHANGELOG.md"
)
_NAMED = re.compile(r"\bgixctl ((?:[a-z][a-z-]*)(?: [a-z]+)?)([^`;|\n\"']*)")


@pytest.mark.parametrize("file", TEXTS, ids=lambda each: str(each.relative_to(PROGRAM)))
def test_every_command_that_a_text_names_exists_with_its_options(file: Path) -> None:
    unknown = []
    for words, arguments in _NAMED.findall(file.read_text()):
        rest = arguments.partition(" -- ")[0]
        verb = VERBS.get(words) or VERBS.get(words.partition(" ")[0])
        if verb is None:
            # A sentence about gixctl itself, unless options follow.
            unknown += [f"gixctl {words}{rest}"] if " --" in rest else []
            continue
        known = {name for each in verb.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        unknown += [
            f"gixctl {words} {each}" for each in re.findall(r"(?<= )--?[a-z][a-z-]*", rest) if each not in known
        ]
    assert unknown == []
