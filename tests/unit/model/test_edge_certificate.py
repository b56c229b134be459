"""The certificate of the edge, as the settings and the files that they name have it."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from gix_model import edge_certificate
from gix_model.edge_certificate import EdgeCertificate
from gix_model.environment import Environment
from gix_model.problems import ConfigurationError, Problem
from tests.support.certificates import DAY, Authority
from tests.unit.declared import PROGRAM, configured, environment

AUTHORITY = Authority()
ISSUED = AUTHORITY.issue()
EXPIRED = AUTHORITY.issue(ends=-timedelta(hours=1))
START_FIRST = {"strategy": "start-first"}
GOOD = {"certificate": ISSUED.certificate, "key": SecretStr(ISSUED.key)}


def with_edge(
    edge: Mapping[str, Any], directory: Path = PROGRAM, *, rollout: Mapping[str, Any] = START_FIRST
) -> Environment:
    return environment(**configured({"edge": edge, "rollout": rollout}), directory=directory)


def problems(edge: Mapping[str, Any], directory: Path = PROGRAM, **others: Any) -> dict[str, Problem]:
    """The problems by subject. None shows the key."""
    with pytest.raises(ConfigurationError) as caught:
        with_edge(edge, directory, **others)
    assert ISSUED.key.splitlines()[1] not in str(caught.value) + repr(caught.value.problems)
    return {each.subject: each for each in caught.value.problems}


def found(edge: Mapping[str, Any], directory: Path = PROGRAM) -> EdgeCertificate:
    read, wrong = edge_certificate.read(with_edge(edge, directory))
    assert wrong == []
    assert read is not None
    return read


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program's directory with the files of a certificate."""
    (tmp_path / "sample").symlink_to(PROGRAM / "sample")
    (tmp_path / "edge.pem").write_text(ISSUED.certificate)
    (tmp_path / "key.pem").write_text(ISSUED.key)
    return tmp_path


@pytest.mark.parametrize("certificate", [ISSUED.certificate, SecretStr(ISSUED.certificate), "edge.pem"])
@pytest.mark.parametrize("key", [SecretStr(ISSUED.key), "key.pem", SecretStr("key.pem")])
def test_a_certificate_is_text_or_a_secret_or_a_file(program: Path, certificate: object, key: object) -> None:
    read = found({"certificate": certificate, "key": key}, program)
    assert (read.chain, read.key, read.client_ca) == (ISSUED.certificate, ISSUED.key, None)
    assert ISSUED.key not in repr(read)


def test_the_file_with_both_serves_for_both(program: Path) -> None:
    (program / "both.pem").write_text(f"a comment\n{ISSUED.key}\n{ISSUED.certificate}{AUTHORITY.certificate}")
    read = found({"certificate": "both.pem", "key": str(program / "both.pem")}, program)
    assert read.chain == ISSUED.certificate + AUTHORITY.certificate
    assert read.key == ISSUED.key


def test_a_renewed_certificate_has_another_fingerprint_and_other_authorities_have_theirs() -> None:
    first = found(GOOD)
    renewed = found(GOOD | {"certificate": AUTHORITY.issue(key=ISSUED.key).certificate})
    with_clients = found(GOOD | {"clientCa": AUTHORITY.certificate})
    assert first.fingerprint != renewed.fingerprint
    assert first.fingerprint == with_clients.fingerprint
    assert first.client_ca_fingerprint == renewed.client_ca_fingerprint != with_clients.client_ca_fingerprint


@pytest.mark.parametrize(
    ("edge", "key", "needed"),
    [
        ({"certificate": ISSUED.certificate}, "certificate", "key"),
        ({"key": SecretStr(ISSUED.key)}, "key", "certificate"),
        ({"clientCa": AUTHORITY.certificate}, "clientCa", "certificate"),
    ],
)
def test_a_key_without_the_key_that_it_needs_is_refused(edge: dict[str, Any], key: str, needed: str) -> None:
    [(subject, problem)] = problems(edge).items()
    assert subject == f"gix:edge.{key}"
    assert problem.limit == f"has no effect without gix:edge.{needed}"
    assert problem.fix == f"set gix:edge.{needed} too, or leave it out"


def test_without_an_edge_its_keys_are_refused_together() -> None:
    given = GOOD | {"clientCa": AUTHORITY.certificate, "metricsPort": 9100, "accessLog": True}
    refused = problems(given, rollout={"strategy": "restart"})
    assert set(refused) == {f"gix:edge.{key}" for key in given}
    assert {each.fix for each in refused.values()} == {"leave it out, or set gix:rollout.strategy to start-first"}


def test_a_key_in_plain_text_is_refused_once() -> None:
    for given in (
        GOOD | {"key": ISSUED.key},
        # A file that has both was pasted.
        GOOD | {"certificate": ISSUED.certificate + ISSUED.key},
    ):
        [problem] = problems(given).values()
        assert problem.limit == "is in plain text"
        assert "replace the secret, because it was readable" in problem.fix
        assert "pulumi config set --secret --path gix:edge." in problem.fix


@pytest.mark.parametrize(
    ("edge", "subject", "limit"),
    [
        (GOOD | {"certificate": "absent.pem"}, "gix:edge.certificate = absent.pem", "names a file that does not exist"),
        (GOOD | {"key": "absent"}, "gix:edge.key", "names a file that does not exist"),
        (GOOD | {"key": SecretStr("hunter2")}, "gix:edge.key", "names a file that does not exist"),
        (GOOD | {"certificate": "."}, "gix:edge.certificate = .", "names a file that cannot be read: Is a directory"),
        (GOOD | {"certificate": "a\nb"}, "gix:edge.certificate = a\\nb", "is neither PEM text nor the path of a file"),
        (GOOD | {"clientCa": "README.md"}, "gix:edge.clientCa = README.md", "has no certificate in PEM format"),
        (GOOD | {"key": SecretStr(ISSUED.certificate)}, "gix:edge.key", "has no private key in PEM format"),
        (
            GOOD | {"certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
            "gix:edge.certificate",
            "has no certificate in PEM format, or a damaged one",
        ),
        (
            GOOD | {"key": SecretStr(AUTHORITY.issue().key)},
            "gix:edge.key",
            "does not belong to the first certificate in gix:edge.certificate",
        ),
        (
            {"certificate": EXPIRED.certificate, "key": SecretStr(EXPIRED.key)},
            "gix:edge.certificate",
            "ended on ",
        ),
        (
            GOOD | {"certificate": AUTHORITY.issue(begins=DAY, key=ISSUED.key).certificate},
            "gix:edge.certificate",
            "begins on ",
        ),
        (GOOD | {"clientCa": EXPIRED.certificate}, "gix:edge.clientCa", "ended on "),
        (GOOD | {"certificate": ISSUED.certificate * 30}, "gix:edge.certificate", "with its key is "),
        (GOOD | {"certificate": " "}, "gix:edge.certificate = (not shown)", "is empty"),
        (GOOD | {"certificate": 1}, "gix:edge.certificate = (not shown)", "input should be a valid string"),
    ],
)
def test_what_cannot_serve_is_refused_before_anything_runs(edge: dict[str, Any], subject: str, limit: str) -> None:
    refused = problems(edge)
    assert refused[subject].limit.startswith(limit)
    assert refused[subject].fix


def test_an_encrypted_key_is_refused_with_the_command_that_decrypts_it() -> None:
    key = serialization.load_pem_private_key(ISSUED.key.encode(), password=None)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    ).decode()
    problem = problems(GOOD | {"key": SecretStr(text)})["gix:edge.key"]
    assert problem.limit == "is encrypted with a passphrase"
    assert "openssl pkey -in FILE" in problem.fix


def test_a_chain_in_the_wrong_order_is_refused_with_the_right_one() -> None:
    problem = problems(GOOD | {"certificate": AUTHORITY.certificate + ISSUED.certificate})["gix:edge.key"]
    assert problem.fix == "write the certificate of this key first, then its chain"


def test_authorities_of_which_one_is_valid_are_accepted() -> None:
    read = found(GOOD | {"clientCa": EXPIRED.certificate + AUTHORITY.certificate})
    assert read.client_ca == EXPIRED.certificate + AUTHORITY.certificate


def test_the_published_ports_lead_to_those_with_tls() -> None:
    read = with_edge(GOOD | {"metricsPort": 9100})
    assert [(each.key, each.external, each.internal) for each in read.published] == [
        ("gix:router.hostPort", 50051, 51051),
        ("gix:auction.hostPort", 50052, 51052),
        ("gix:enclave.hostPort", 50053, 51053),
        ("gix:edge.metricsPort", 9100, 9404),
    ]


def test_a_metrics_port_that_a_service_has_is_refused() -> None:
    [problem] = problems({"metricsPort": 50052}).values()
    assert problem.limit == "gix:auction.hostPort is the same port on the host"


def test_without_a_certificate_the_library_is_not_loaded() -> None:
    code = (
        "import sys\nfrom gix_components import platform\nfrom tests.unit.declared import environment\n"
        "environment({'gix:rollout': '{\"strategy\": \"start-first\"}'})\nassert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROGRAM, check=True)
