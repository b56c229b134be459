"""Errors of backups and restores, with texts for users."""

from docker.errors import DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

ENGINE_ERRORS = (DockerException, RequestException, HTTPError)
"""What the Docker SDK raises if the engine refuses a request, or the connection ends."""


class LedgerError(Exception):
    """A backup or restore failed. The text says what is wrong, what happened to the ledger, and how to fix it."""


class OldLedgerKeptError(LedgerError):
    """A restore is done, but the old ledger is kept, since a container wrote to it during the restore."""
