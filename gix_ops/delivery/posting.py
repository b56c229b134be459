"""`gixctl pull-request post`: posts a comment that another run wrote.

That run has the pull request's code and may not write to the repository; this run may write and does not have the code.
The files of that run are data: their size and content are checked against the event, and nothing of them is run.
"""

import re
from pathlib import Path

from gix_ops.delivery import github
from gix_ops.delivery.pull_request import MARKER
from gix_ops.errors import StackError
from gix_ops.planning import plan_text

_LONGEST_NUMBER = 10
_OF_A_FORK = (
    "> [!NOTE]\n> This pull request comes from a fork, and its own code wrote this comment: do not rely on it.\n"
)


def post(text: Path, number: Path, *, head: str, fork: bool) -> int:
    """Post the comment in the file `text` on the pull request whose number is in the file `number`; return the number.

    `head` is the commit that the event names. A pull request at another commit is not the event's, or has changed.
    Raises StackError if a file is not valid or the commit differs; then nothing is posted.
    """
    if text.stat().st_size > plan_text.LONGEST_COMMENT:
        raise StackError(f"{text} has {text.stat().st_size} bytes; a comment has {plan_text.LONGEST_COMMENT} at most")
    written = number.read_text() if number.stat().st_size <= _LONGEST_NUMBER else ""
    if re.fullmatch(r"[1-9]\d*\n?", written) is None:
        raise StackError(f"{number} does not hold the number of a pull request")
    pull_request = int(written)
    body = text.read_text(errors="replace")
    if not body.startswith(MARKER):
        raise StackError(f"{text} does not begin with {MARKER}")
    if github.head(pull_request) != head:
        raise StackError(f"the pull request {pull_request} is not at {head}; nothing is posted")
    github.comment(pull_request, MARKER, harmless(body, fork=fork))
    return pull_request


def harmless(body: str, *, fork: bool) -> str:
    """The comment without control characters and mentions of users; with a note if it comes from a fork."""
    plain = "".join(each for each in body if each.isprintable() or each in "\n\t")
    unmentioned = re.sub(r"(?<![\w`])@(?=\w)", "@\N{ZERO WIDTH SPACE}", plain)
    rest = unmentioned.removeprefix(MARKER)
    return f"{MARKER}\n{_OF_A_FORK if fork else ''}{rest}"[: plan_text.LONGEST_COMMENT]
