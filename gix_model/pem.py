"""Certificates and private keys as PEM text. Only this module uses the library cryptography."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gix_model.pem_error import PemError


class Certificates:
    """One or more certificates. `text` is their PEM text, without anything else that the original text had."""

    def __init__(self, text: str) -> None:
        try:
            self._all = x509.load_pem_x509_certificates(text.encode())
            self._public = [each.public_key() for each in self._all]
            self.text = "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in self._all)
        except (ValueError, UnsupportedAlgorithm):
            raise PemError(
                "has no certificate in PEM format, or a damaged one",
                "write what the authority issued: -----BEGIN CERTIFICATE-----...",
            ) from None

    @property
    def begins(self) -> datetime:
        """When the first certificate begins to be valid."""
        return self._all[0].not_valid_before_utc

    @property
    def ends(self) -> datetime:
        """When the first certificate ends."""
        return self._all[0].not_valid_after_utc

    @property
    def first_begins(self) -> datetime:
        """When the first of them begins to be valid."""
        return min(each.not_valid_before_utc for each in self._all)

    @property
    def last_ends(self) -> datetime:
        """When the last of them ends."""
        return max(each.not_valid_after_utc for each in self._all)

    def place(self, key: "PrivateKey") -> int | None:
        """The place of the certificate that the key belongs to; None if there is none."""
        return next((place for place, public in enumerate(self._public) if public == key.public), None)


class PrivateKey:
    """A private key. `text` is its PEM text, without anything else that the original text had."""

    def __init__(self, text: str) -> None:
        fix = "write the key that belongs to the certificate: -----BEGIN PRIVATE KEY-----..."
        try:
            key = serialization.load_pem_private_key(text.encode(), password=None)
        except TypeError:
            raise PemError("is encrypted with a passphrase", "decrypt it first: openssl pkey -in FILE") from None
        except (ValueError, UnsupportedAlgorithm):
            raise PemError("has no private key in PEM format, or a damaged one", fix) from None
        self.public = key.public_key()
        self.text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
