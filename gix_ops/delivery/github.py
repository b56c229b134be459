"""What is said on GitHub, through its `gh` command: one comment of a pull request, one issue, each kept up to date.

`gh` takes the repository from GITHUB_REPOSITORY and the token from GH_TOKEN, as a workflow gives them.
"""

import json
import os
import subprocess
from typing import Any

from gix_ops.errors import StackError

_AUTHOR = "github-actions[bot]"
"""Who writes with a workflow's own token: what others wrote is never changed, whatever marker it bears."""


def head_of(number: int) -> str:
    """The commit at the head of the pull request `number`."""
    return str(_ask("GET", f"pulls/{number}")["head"]["sha"])


def say(number: int, marker: str, body: str) -> None:
    """Have `body`, which begins with `marker`, as the one comment of this kind on the issue or pull request."""
    known = next((each for each in _all(f"issues/{number}/comments") if _is_ours(each, marker)), None)
    if known is None:
        _ask("POST", f"issues/{number}/comments", {"body": body})
    else:
        _ask("PATCH", f"issues/comments/{known['id']}", {"body": body})


def report(marker: str, title: str, body: str) -> int:
    """Have one open issue of this kind, with `body`, which begins with `marker`; its number."""
    known = _open_issue(marker)
    if known is None:
        return int(_ask("POST", "issues", {"title": title, "body": body})["number"])
    _ask("PATCH", f"issues/{known}", {"title": title, "body": body})
    return known


def close(marker: str, word: str) -> int | None:
    """Close the open issue of this kind with a `word`; its number, or None where there is none."""
    known = _open_issue(marker)
    if known is not None:
        _ask("POST", f"issues/{known}/comments", {"body": word})
        _ask("PATCH", f"issues/{known}", {"state": "closed"})
    return known


def _open_issue(marker: str) -> int | None:
    issues = [each for each in _all("issues?state=open") if "pull_request" not in each and _is_ours(each, marker)]
    return min((int(each["number"]) for each in issues), default=None)


def _is_ours(said: dict[str, Any], marker: str) -> bool:
    return said["user"]["login"] == _AUTHOR and (said["body"] or "").startswith(marker)


def _all(path: str) -> list[dict[str, Any]]:
    pages = _run("--paginate", "--slurp", f"{path}{'&' if '?' in path else '?'}per_page=100")
    return [each for page in json.loads(pages) for each in page]


def _ask(method: str, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    given = [] if fields is None else ["--input", "-"]
    answer: dict[str, Any] = json.loads(_run("--method", method, *given, path, stdin=json.dumps(fields)))
    return answer


def _run(*words: str, stdin: str = "") -> str:
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        raise StackError("GITHUB_REPOSITORY is not set; set it to OWNER/NAME of the repository on GitHub")
    *options, path = words
    command = ["gh", "api", *options, f"repos/{repository}/{path}"]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StackError("there is no gh command on PATH; install GitHub's own command line") from None
    if done.returncode:
        raise StackError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
