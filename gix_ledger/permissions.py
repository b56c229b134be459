"""Changes the owner of a ledger's files."""

import secrets
from dataclasses import dataclass

from gix_ledger import helper
from gix_ledger.location import LedgerLocation
from gix_model.catalog import DATA_DIRECTORY

_FIND = r"""
cd "$1"
wrong() { find . \( ! -uid "$uid" -o ! -gid "$gid" \) "$@"; }
uid=${2%:*} gid=${2#*:}
wrong -printf '%U:%G %p\0'
if [ "$3" = change ]; then wrong -exec chown --no-dereference "$2" {} +; fi
"""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A file or directory, by its path on the volume, with a wrong `owner` (UID:GID)."""

    path: str
    owner: str


def fix(ledger: LedgerLocation, owner: str, *, dry_run: bool) -> list[Foreign]:
    """Change the owner of everything on the ledger's volume to `owner`, UID:GID, and return what had another owner.

    A `dry_run` changes nothing. Modes and times do not change, and the auction may run. Raises LedgerError if the
    volume cannot be read.
    """
    client = ledger.connect()
    ledger.check(client)
    what = "look" if dry_run else "change"
    found = helper.inspect(client, ledger, secrets.token_hex(8), _FIND, DATA_DIRECTORY, owner, what)
    lines = [line.partition(" ") for line in found.decode(errors="replace").split("\0") if line]
    return [Foreign(path=path, owner=before) for before, _, path in lines]
