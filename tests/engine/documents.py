"""Runs the commands of the documents in a clone, and draws the picture of `make up` for the README.

`python -m tests.engine.documents --write` draws the picture again.
"""

import argparse
import functools
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
import yaml
from rich.console import Console
from rich.text import Text

from gix_model.catalog import CATALOG
from gix_model.merging import merged
from gix_model.settings import NetworkSettings
from tests.support import built_images
from tests.support.stack_under_test import PROGRAM, SERVICES, StackUnderTest, new_stack

PICTURE = PROGRAM / "docs" / "make-up.svg"
_FENCE = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+# .*$")
_COLUMNS = 110
_MARK = "=== command "
# Like rich's own format, but without its web fonts.
_SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: ui-sans-serif, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def commands(document: Path, section: str = "") -> list[str]:
    """The commands of a document's console blocks, in order and without comments.

    With `section`, only those under the heading that starts with it.
    """
    text = document.read_text()
    if section:
        [text] = re.findall(rf"^#+ {re.escape(section)}.*?(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in _FENCE.findall(text) for line in block.splitlines()]
    return [command for line in lines if (command := _COMMENT.sub("", line).strip())]


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A clone of the working tree with a `stack` like `dev`, but with its own names, ports and subnet.

    `names` maps the names in the documents to the names in this clone.
    """

    stack: StackUnderTest
    names: Mapping[str, str]

    @classmethod
    def make(cls, client: docker.DockerClient, directory: Path) -> "Clone":
        """Copy every file that is committed or could be. The stack is not up yet."""
        stack = new_stack(client, directory / "gix")
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=PROGRAM,
            check=True,
            capture_output=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (PROGRAM / name).exists():
                (stack.directory / name).parent.mkdir(parents=True, exist_ok=True)
                # Keep the modification time: a newer requirements.txt would rebuild the virtual environment.
                shutil.copy2(PROGRAM / name, stack.directory / name)
        subprocess.run(["git", "init", "--quiet"], cwd=stack.directory, check=True)
        stack.config = merged(yaml.safe_load((PROGRAM / "Pulumi.dev.yaml").read_text())["config"], stack.config)
        stack.write()
        (directory / "state").mkdir()
        objects = ("gcam-data", "gix-network", *(f"gix-{service}" for service in SERVICES))
        return cls(stack=stack, names={"dev": stack.name} | {name: f"{stack.prefix}-{name}" for name in objects})

    def here(self, command: str) -> str:
        """Replace the documents' names by those of this clone. Names in a stack's configuration have no prefix."""
        if command.startswith("pulumi config set"):
            return command
        words = rf"(?<![\w/.-])({'|'.join(self.names)})(?![\w-])"
        return re.sub(words, lambda found: self.names[found[1]], command)

    def run(self, script: Sequence[str]) -> str:
        """Run the commands in one shell, in order, and return the output. Fails at the first command that fails."""
        typed = "\n".join(f"echo '{_MARK}{number}'; {self.here(command)}" for number, command in enumerate(script))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=self.stack.directory,
            env=os.environ
            | {
                "PULUMI_BACKEND_URL": f"file://{self.stack.directory.parent}/state",
                "PULUMI_CONFIG_PASSPHRASE": "",
                "PULUMI_SKIP_CONFIRMATIONS": "true",
                "PYTHONPATH": str(self.stack.directory),
                "STACK": self.stack.name,
                "COLUMNS": "200",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        last = script[int(done.stdout.rpartition(_MARK)[2].split()[0])]
        assert done.returncode == 0, f"{last}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout


def as_everywhere(shown: str, clone: Clone) -> str:
    """The output with the names, ports and subnet of `dev`, and without paths of this machine."""
    for name, here in sorted(clone.names.items(), key=lambda names: -len(names[1])):
        # Keep the width, so that table columns stay aligned.
        shown = re.sub(rf"{here}( *│)?", functools.partial(_shorter, name), shown)
    for service, spec in CATALOG.items():
        shown = shown.replace(f":{clone.stack.config[f'gix:{service}']['hostPort']}", f":{spec.port}")
    shown = shown.replace(clone.stack.config["gix:network"]["subnet"], NetworkSettings().subnet)
    return shown.replace(str(Path.home()), "~")


def _shorter(name: str, found: re.Match[str]) -> str:
    return name.ljust(len(found[0]) - 1) + "│" if found[1] else name


def picture(output: str) -> str:
    """The output of `make up`, as a picture of a terminal."""
    kept = re.compile(r"^\S+ +(found|did) |^(Updating|Resources:|Duration:)|^ +\+ \d+ created|^gix/|^[┏┃┡│└]")
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    console.print(Text("$ make up", style="bold"))
    for line in output.splitlines():
        if kept.search(line):
            style = "green" if " did " in line else "none"
            console.print(Text(line, style=style))
    return console.export_svg(title="make up", code_format=_SVG, unique_id="make-up")


def main() -> None:
    """Bring a clone up and draw its output."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", required=True)
    arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        clone = Clone.make(docker.from_env(), Path(directory) / "clone")
        try:
            shown = clone.run(["make up"])
        finally:
            clone.stack.remove()
            built_images.remove(docker.from_env())
    PICTURE.write_text(picture(as_everywhere(shown, clone)))


if __name__ == "__main__":
    main()
