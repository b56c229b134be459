"""What cannot be done with a ledger or an archive of one, told to a person."""

from docker.errors import DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

ENGINE_ERRORS = (DockerException, RequestException, HTTPError)
"""What the Docker SDK raises where the engine refuses, or goes away in the middle."""


class LedgerError(Exception):
    """The text says what is wrong, what became of the ledger where that is in doubt, and what to do."""


class OldLedgerKeptError(LedgerError):
    """A restore is done, and the old ledger stays beside the new one: something wrote to it in the last moment."""
