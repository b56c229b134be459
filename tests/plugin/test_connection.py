"""Where the engine is and how to log in to registries, without an engine."""

import base64
import json
from pathlib import Path

import pytest

from offline.docker_plugin.engine import DEFAULT_HOST, Engine, config_problems, connection
from offline.docker_plugin.errors import PluginError

LOGGED_IN = {"auths": {"registry:5000": {"auth": base64.b64encode(b"user:from-file").decode()}}}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in (
        "HOST",
        "CERT_PATH",
        "CA_MATERIAL",
        "CERT_MATERIAL",
        "KEY_MATERIAL",
        "REGISTRY_USER",
        "REGISTRY_PASS",
    ):
        monkeypatch.delenv(f"DOCKER_{variable}", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))


def test_the_stated_engine_overrides_the_environment_s_and_that_the_local_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert connection({}).host == DEFAULT_HOST
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert connection({}).host == "tcp://10.0.0.1:2375"
    stated = connection({"host": "ssh://ops@10.0.0.2"})
    assert stated.host == "ssh://ops@10.0.0.2"
    assert stated.command_environment() == {"DOCKER_HOST": "ssh://ops@10.0.0.2"}


def test_certificates_are_a_directory_or_three_texts(tmp_path: Path) -> None:
    in_directory = connection({"host": "tcp://10.0.0.1:2376", "certPath": str(tmp_path)})
    assert in_directory.command_environment() == {
        "DOCKER_HOST": "tcp://10.0.0.1:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    materials = {"caMaterial": "CA", "certMaterial": "CERT", "keyMaterial": "KEY"}
    written = connection(materials).cert_path
    assert written is not None
    assert {file.name: file.read_text() for file in written.iterdir()} == {
        "ca.pem": "CA",
        "cert.pem": "CERT",
        "key.pem": "KEY",
    }
    assert written.stat().st_mode & 0o077 == 0
    with pytest.raises(PluginError, match="must all be specified"):
        connection({"caMaterial": "CA"})
    with pytest.raises(PluginError, match="certPath must not be specified"):
        connection({**materials, "certPath": str(tmp_path)})


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        ({"sshOpts": '["-p", "2222"]'}, "sshOpts"),
        ({"context": "remote"}, "context"),
        ({"disableDockerDaemonCheck": "true"}, "disableDockerDaemonCheck"),
        ({"hosts": "tcp://10.0.0.1"}, "hosts"),
        ({"registryAuth": '[{"username": "user"}]'}, "registryAuth[0].address"),
        ({"registryAuth": '[{"address": "a", "user": "b"}]'}, "registryAuth[0].user"),
        ({"registryAuth": "not JSON"}, "registryAuth"),
    ],
)
def test_an_invalid_provider_input_is_named(stated: dict[str, str], path: str) -> None:
    assert [problem.path for problem in config_problems(stated)] == [path]
    with pytest.raises(PluginError, match=path.split("[", 1)[0]):
        connection(stated)


def log_in(**stated: object) -> str | None:
    """The password that a pull would use."""
    auth = json.dumps([{"address": "https://registry:5000/v2/", **stated}])
    return Engine(connection({"registryAuth": auth})).pull_credentials("registry:5000").get("password")


def test_a_login_comes_from_the_source_that_the_provider_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "login" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(LOGGED_IN))
    stated = {"username": "user", "password": "stated"}

    assert log_in() is None
    assert log_in(**stated) == "stated"
    assert log_in(configFileContent=json.dumps(LOGGED_IN), **stated) == "from-file"
    assert log_in(configFile=str(file), **stated) == "from-file"
    assert log_in(authDisabled=True, **stated) is None
    monkeypatch.setenv("DOCKER_CONFIG", str(file.parent))
    assert log_in() == "from-file"
    assert Engine(connection({})).pull_credentials("registry:5000") == {}
    monkeypatch.setenv("DOCKER_REGISTRY_USER", "user")
    monkeypatch.setenv("DOCKER_REGISTRY_PASS", "from-environment")
    assert log_in() == "from-environment"


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/none.sock"
    with pytest.raises(PluginError, match=r"failed to connect to any docker daemon.*none\.sock"):
        _ = Engine(connection({"host": nowhere})).api
