"""`gixctl pull-request post`: puts a comment that another run made on its pull request.

That run had the pull request's code and no right to write; this one has the right and none of the code. What the other
left is data: it is measured, held against the event, and never run.
"""

import re
from pathlib import Path

from gix_ops.delivery import github
from gix_ops.delivery.pull_request import MARKER
from gix_ops.errors import StackError
from gix_ops.planning import plan_text

_LONGEST_NUMBER = 10
_OF_A_FORK = (
    "> [!NOTE]\n> Made by the code of this pull request, which comes from a fork: read it as its author's words.\n"
)


def post(text: Path, number: Path, *, head: str, fork: bool) -> int:
    """Post the comment in the file `text` on the pull request whose number is in the file `number`; that number.

    `head` is the commit that the event names: a pull request that is not at it is another one, or has gone on.
    Raises StackError where anything is not as it must be; then nothing is posted.
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
    if github.head_of(pull_request) != head:
        raise StackError(f"the pull request {pull_request} is not at {head}; nothing is posted")
    github.say(pull_request, MARKER, harmless(body, fork=fork))
    return pull_request


def harmless(body: str, *, fork: bool) -> str:
    """The comment without control characters and without a mention of anybody; a fork's says that it is one's."""
    plain = "".join(each for each in body if each.isprintable() or each in "\n\t")
    unmentioned = re.sub(r"(?<![\w`])@(?=\w)", "@\N{ZERO WIDTH SPACE}", plain)
    rest = unmentioned.removeprefix(MARKER)
    return f"{MARKER}\n{_OF_A_FORK if fork else ''}{rest}"[: plan_text.LONGEST_COMMENT]
