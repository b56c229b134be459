"""Certificates for tests: an authority, and what it issues."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, as PEM text."""

    certificate: str
    key: str

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.certificate.encode()).serial_number


class Authority:
    """An authority with a certificate of its own."""

    def __init__(self, name: str = "test authority") -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def certificate(self) -> str:
        """The authority's certificate, as PEM text."""
        return self._signed(self._name, self._key, -DAY, 365 * DAY, is_authority=True)

    def issue(
        self, name: str = "127.0.0.1", *, begins: timedelta = -DAY, ends: timedelta = 90 * DAY, key: str | None = None
    ) -> Issued:
        """A certificate for this machine, with the times from now at which it begins and ends."""
        private = ec.generate_private_key(ec.SECP256R1())
        if key is not None:
            loaded = serialization.load_pem_private_key(key.encode(), password=None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            private = loaded
        text = private.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        return Issued(self._signed(_name(name), private, begins, ends, is_authority=False), text)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begins: timedelta,
        ends: timedelta,
        *,
        is_authority: bool,
    ) -> str:
        now = datetime.now(UTC)
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
