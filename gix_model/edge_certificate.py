"""The certificate of the edge, read from the settings or from the files that they name, and checked."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from gix_model.environment import Environment
from gix_model.pem_error import PemError
from gix_model.problems import Problem
from gix_model.settings import PEM_BEGINS

KEYS = ("certificate", "key", "clientCa")
"""The keys of gix:edge for TLS."""
LARGEST_BYTES = 16_000
"""A running HAProxy takes no more in one command of its runtime API."""
_LONGEST_PATH = 1000

_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, kw_only=True)
class EdgeCertificate:
    """What the edge serves: a certificate with its chain, its private key, and the authorities of its clients."""

    chain: str
    key: str = field(repr=False)
    client_ca: str | None

    @property
    def fingerprint(self) -> str:
        """What changes with the certificate. The certificate is public, so this is no secret."""
        return _fingerprint(self.chain)

    @property
    def client_ca_fingerprint(self) -> str:
        """What changes with the authorities."""
        return _fingerprint(self.client_ca or "")


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _UnreadableError(Exception):
    """A value is no PEM text, and names no file that can be read. `limit` says why."""

    fix = "write the path of a PEM file, relative to the program's directory, or its text"

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def read(environment: Environment) -> tuple[EdgeCertificate | None, list[Problem]]:
    """Read the certificate; None without one, or if it has problems. No problem shows a key or a secret."""
    edge = environment.settings.edge
    if not environment.has_tls or edge.certificate is None or edge.key is None:
        return None, []
    # Only an edge with TLS needs the library, whose import takes a tenth of a second.
    from gix_model import pem  # noqa: PLC0415

    problems: list[Problem] = []
    chain = _parsed(environment, "certificate", edge.certificate, pem.Certificates, problems)
    key = _parsed(environment, "key", edge.key, pem.PrivateKey, problems)
    client_ca = _parsed(environment, "clientCa", edge.client_ca, pem.Certificates, problems)
    if chain is not None:
        problems += _not_valid(_subject("certificate", edge.certificate), chain.begins, chain.ends)
    if client_ca is not None:
        problems += _not_valid(_subject("clientCa", edge.client_ca), client_ca.first_begins, client_ca.last_ends)
    if chain is not None and key is not None:
        problems += _mismatch(_subject("key", edge.key), chain.place(key))
    if problems or chain is None or key is None:
        return None, problems
    found = EdgeCertificate(chain=chain.text, key=key.text, client_ca=None if client_ca is None else client_ca.text)
    problems += _too_large(found)
    return (None if problems else found), problems


def _parsed(
    environment: Environment,
    key: str,
    value: SecretStr | str | None,
    parse: Callable[[str], _Parsed],
    problems: list[Problem],
) -> _Parsed | None:
    """What `parse` makes of a setting, or of the file that it names. None adds a problem, unless there is no value."""
    if value is None:
        return None
    try:
        return parse(_text(environment, value))
    except (_UnreadableError, PemError) as error:
        problems.append(Problem(subject=_subject(key, value), limit=error.limit, fix=error.fix))
        return None


def _text(environment: Environment, value: SecretStr | str) -> str:
    """The PEM text of a setting, or of the file that it names. Raises _UnreadableError if the file cannot be read."""
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if PEM_BEGINS in plain:
        return plain
    if "\n" in plain.strip() or len(plain) > _LONGEST_PATH:
        raise _UnreadableError("is neither PEM text nor the path of a file")
    try:
        # Other bytes than text may stand between the blocks of a PEM file.
        path = environment.directory / Path(plain.strip()).expanduser()
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise _UnreadableError("names a file that does not exist") from None
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such home directory"
        raise _UnreadableError(f"names a file that cannot be read: {reason}") from None


def _subject(key: str, value: SecretStr | str | None) -> str:
    """The key, with its value if that is the path of a file. What is wrong with a key may be that it is no path."""
    is_path = isinstance(value, str) and PEM_BEGINS not in value and len(value) <= _LONGEST_PATH and key != "key"
    return f"gix:edge.{key} = {value}" if is_path else f"gix:edge.{key}"


def _not_valid(subject: str, begins: datetime, ends: datetime) -> Iterator[Problem]:
    now = datetime.now(UTC)
    if ends < now:
        yield Problem(
            subject=subject,
            limit=f"ended on {ends:%Y-%m-%d %H:%M} UTC, so that no connection succeeds",
            fix="write a renewed one",
        )
    elif begins > now:
        yield Problem(
            subject=subject,
            limit=f"begins on {begins:%Y-%m-%d %H:%M} UTC, so that no connection succeeds until then",
            fix="wait until then, or correct the clock of this machine",
        )


def _mismatch(subject: str, place: int | None) -> Iterator[Problem]:
    """`place` is that of the certificate which the key belongs to, in the chain."""
    if place != 0:
        yield Problem(
            subject=subject,
            limit="does not belong to the first certificate in gix:edge.certificate",
            fix="write the key with which the certificate was requested"
            if place is None
            else "write the certificate of this key first, then its chain",
        )


def _too_large(found: EdgeCertificate) -> Iterator[Problem]:
    for key, text in (("certificate", found.chain + found.key), ("clientCa", found.client_ca or "")):
        if len(text) > LARGEST_BYTES:
            what = "with its key " if key == "certificate" else ""
            yield Problem(
                subject=f"gix:edge.{key}",
                limit=f"{what}is {len(text)} bytes long, and a running HAProxy takes {LARGEST_BYTES} at most",
                fix="leave out certificates that are not needed, such as the root of a chain",
            )
