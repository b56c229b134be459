"""Keeps one comment on a pull request, or one issue, up to date on GitHub, with the `gh` command.

A workflow sets the repository, GITHUB_REPOSITORY, and the token of `gh`, GH_TOKEN.
"""

import json
import os
import subprocess
from typing import Any

from gix_ops.errors import StackError

_AUTHOR = "github-actions[bot]"
"""The author of what a workflow's own token writes. Comments and issues of others are never changed."""


def head(number: int) -> str:
    """The commit at the head of the pull request `number`."""
    return str(_request("GET", f"pulls/{number}")["head"]["sha"])


def comment(number: int, marker: str, body: str) -> None:
    """Create or update the comment that begins with `marker` on a pull request. `body` begins with it, too."""
    known = next((each for each in _all(f"issues/{number}/comments") if _is_ours(each, marker)), None)
    if known is None:
        _request("POST", f"issues/{number}/comments", {"body": body})
    else:
        _request("PATCH", f"issues/comments/{known['id']}", {"body": body})


def report(marker: str, title: str, body: str) -> int:
    """Create or update the open issue that begins with `marker`; return its number. `body` begins with it, too."""
    known = _open_issue(marker)
    if known is None:
        return int(_request("POST", "issues", {"title": title, "body": body})["number"])
    _request("PATCH", f"issues/{known}", {"title": title, "body": body})
    return known


def close(marker: str, comment: str) -> int | None:
    """Close the open issue that begins with `marker`, with a comment; return its number, or None if there is none."""
    known = _open_issue(marker)
    if known is not None:
        _request("POST", f"issues/{known}/comments", {"body": comment})
        _request("PATCH", f"issues/{known}", {"state": "closed"})
    return known


def _open_issue(marker: str) -> int | None:
    issues = [each for each in _all("issues?state=open") if "pull_request" not in each and _is_ours(each, marker)]
    return min((int(each["number"]) for each in issues), default=None)


def _is_ours(post: dict[str, Any], marker: str) -> bool:
    return post["user"]["login"] == _AUTHOR and (post["body"] or "").startswith(marker)


def _all(path: str) -> list[dict[str, Any]]:
    pages = _run("--paginate", "--slurp", f"{path}{'&' if '?' in path else '?'}per_page=100")
    return [each for page in json.loads(pages) for each in page]


def _request(method: str, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    body = [] if fields is None else ["--input", "-"]
    answer: dict[str, Any] = json.loads(_run("--method", method, *body, path, stdin=json.dumps(fields)))
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
        raise StackError("there is no gh command on PATH; install the GitHub CLI") from None
    if done.returncode:
        raise StackError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
