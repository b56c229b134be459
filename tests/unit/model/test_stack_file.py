"""The file of a stack: a change leaves comments, order, quotes, secrets and what YAML 1.1 misreads as they are."""

from pathlib import Path

import pytest
import yaml

from gix_model import parsing, yaml_text
from gix_model.settings import (
    EngineSettings,
    ImageSettings,
    LedgerSettings,
    RegistrySettings,
    ServiceSettings,
    StackSettings,
)
from gix_model.stack_file import StackFile, StackFileError

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"

WRITTEN = f"""\
# yaml-language-server: $schema=docs/stack-file.schema.json
# The second environment.
config:
  gix:router:
    user: 1000:50 # a user of the host
    environment: {{SWITCH: on, MODE: 0755, DAY: 2024-1-2, SIZE: 1_000, EMPTY: "", PLAIN: 'quoted'}}
    secretEnvironment:
      TOKEN:
        secure: v1:c2VhbGVk:ZQ==

  # Before the images.
  gix:images:
    way: registry
    digests:
      auction: {DIGEST} # auction
      # Before the router.
      router: {DIGEST} # router
  gix:services:
    - router
    - auction
  gix:auction:
    cpus: 2.0
    restart: no
encryptionsalt: v1:c2FsdA==:dGVzdA==
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(WRITTEN)
    return path


def changed(path: Path, settings: StackSettings) -> str:
    read = StackFile.read(path.parent, "prod")
    read.update(settings)
    read.write()
    return path.read_text()


def test_a_file_that_is_read_and_written_is_the_same(file: Path) -> None:
    assert changed(file, StackSettings()) == WRITTEN


@pytest.mark.parametrize("text", ["1000:50", "on", "off", "yes", "0755", "2024-1-2", "1_000", "2.0", "null", "~"])
def test_a_value_that_is_not_changed_keeps_its_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(f"config:\n  gix:router:\n    user: {text}\n")
    assert f"    user: {text}\n" in changed(file, StackSettings(prefix="a"))


def test_the_settings_of_a_file_are_typed_and_those_that_are_wrong_have_their_defaults(file: Path) -> None:
    config = StackFile.read(file.parent, "prod").config
    assert config["gix:router"]["user"] == "1000:50"
    settings = parsing.stated_settings(
        config | {"gix:network": {"subnet": "none", "name": "other"}, "gix:production": "1"}
    )
    assert settings.router.user == "1000:50"
    assert settings.router.environment["SWITCH"] == "on"
    assert settings.auction.cpus == 2
    assert settings.auction.restart == "no"
    assert settings.production
    assert settings.services == ["router", "auction"]
    assert settings.images.digests == {"auction": DIGEST, "router": DIGEST}
    assert not settings.images.are_built
    assert (settings.network.name, settings.network.subnet) == ("other", StackSettings().network.subnet)


def test_a_section_in_json_is_read_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text("""config:\n  gix:images: '{"way": "registry"}'\n""")
    read = StackFile.read(tmp_path, "dev")
    assert not parsing.stated_settings(read.config).images.are_built
    with pytest.raises(StackFileError, match=r"Pulumi\.dev\.yaml: gix:images has no keys; write push as keys of it"):
        read.update(StackSettings(images=ImageSettings(push=True)))


def test_keys_are_added_to_a_file_without_any(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("# Defaults alone.\nconfig: {}\n")
    settings = StackSettings(
        prefix="123", services=["router"], ledger=LedgerSettings(protect=False), router=ServiceSettings(hostPort=8080)
    )
    assert changed(file, settings) == (
        "# Defaults alone.\nconfig:\n"
        '  gix:prefix: "123"\n  gix:services:\n    - router\n  gix:ledger:\n    protect: false\n'
        "  gix:router:\n    hostPort: 8080\n"
    )
    assert yaml.safe_load(file.read_text())["config"]["gix:router"] == {"hostPort": 8080}


@pytest.mark.parametrize(
    "text", ["on", "Yes", "1000:50", "017", "0o17", "0x1f", "1_000", "1e3", "2024-01-02", "null", "~", "", "a: b", "#a"]
)
def test_a_text_that_yaml_would_misread_is_written_in_quotes(tmp_path: Path, text: str) -> None:
    written = changed_variable(tmp_path, text)
    assert f'"{text}"' in written
    assert yaml.safe_load(written)["config"]["gix:router"]["environment"]["A"] == text


def changed_variable(directory: Path, text: str) -> str:
    file = directory / "Pulumi.prod.yaml"
    file.write_text("config: {}\n")
    return changed(file, StackSettings(router=ServiceSettings(environment={"A": text})))


def test_given_aliases_a_change_of_one_section_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(
        "config:\n  gix:router: &same\n    memory: 1G\n  gix:auction: *same\n  gix:enclave:\n    <<: *same\n"
    )
    changed(file, StackSettings(router=ServiceSettings(hostPort=1), auction=ServiceSettings(hostPort=2)))
    config = yaml.safe_load(file.read_text())["config"]
    assert config["gix:router"] == {"memory": "1G", "hostPort": 1}
    assert config["gix:auction"] == {"memory": "1G", "hostPort": 2}
    assert config["gix:enclave"] == {"memory": "1G"}


def test_a_copy_for_another_stack_keeps_that_stacks_encryption(file: Path) -> None:
    other = file.with_name("Pulumi.pr-1.yaml")
    other.write_text("config:\n  gix:prefix: old\nencryptionsalt: v1:other\n")
    StackFile.read(file.parent, "prod").copy_for("pr-1").write()
    assert other.read_text() == WRITTEN.replace("v1:c2FsdA==:dGVzdA==", "v1:other")
    StackFile.read(file.parent, "prod").copy_for("new").write()
    assert "encryptionsalt" not in file.with_name("Pulumi.new.yaml").read_text()


def test_secrets_are_taken_out_of_a_file_by_their_keys(file: Path) -> None:
    read = StackFile.read(file.parent, "prod")
    assert read.take_secrets() == {"gix:router.secretEnvironment.TOKEN": "v1:c2VhbGVk:ZQ=="}
    read.write()
    assert "secure" not in file.read_text()
    assert "user: 1000:50" in file.read_text()


def test_keys_are_listed_and_removed_by_the_names_of_the_settings(file: Path) -> None:
    read = StackFile.read(file.parent, "prod")
    assert read.keys("images", "digests") == ("auction", "router")
    assert read.keys("registry") == ()
    read.remove("images", "digests")
    read.remove("engine")
    assert read.config["gix:images"] == {"way": "registry"}
    with pytest.raises(KeyError):
        read.remove("images", "digest")


COMMENTED = """\
config:
  gix:images:
    way: registry # pulled
    tag: v1

  # Before the registry.
  gix:registry:
    address: r

  # Before the services.
  gix:services:
    - router # the only one

# Before the encryption.
encryptionsalt: v1:a
"""


def test_a_new_key_comes_before_the_comment_on_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(COMMENTED)
    settings = StackSettings(
        prefix="a",
        images=ImageSettings(push=True, digests={"router": DIGEST}),
        registry=RegistrySettings(organization="o"),
    )
    expected = COMMENTED.replace("tag: v1\n", f"tag: v1\n    push: true\n    digests:\n      router: {DIGEST}\n")
    expected = expected.replace("address: r\n", "address: r\n    organization: o\n")
    assert changed(file, settings) == expected.replace("# the only one\n", "# the only one\n  gix:prefix: a\n")


def test_a_key_is_removed_without_the_comment_on_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(COMMENTED)
    read = StackFile.read(tmp_path, "prod")
    read.remove("images", "tag")
    read.remove("services")
    read.write()
    expected = COMMENTED.replace("    tag: v1\n", "").replace("  gix:services:\n    - router # the only one\n", "")
    assert read.path.read_text() == expected


def test_what_no_setting_states_stays_out_of_the_file(file: Path) -> None:
    settings = StackSettings(engine=EngineSettings(host=None), registry=RegistrySettings(address="r:5000"))
    written = changed(file, settings)
    assert "address: r:5000" in written
    assert "organization" not in written
    assert "host:" not in written


@pytest.mark.parametrize(
    "content",
    [
        *("config: [\n", "just a word\n", "- a list\n", "config: 7\n", "a: 1\na: 2\n", "\0", "a: *x\n"),
        *("%YAML 1.3\n---\na: b\n", "[" * 5000),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_given_a_file_that_is_not_a_stack_file_its_reader_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(StackFileError, match=r"Pulumi\.dev\.yaml is not a stack file"):
        StackFile.read(tmp_path, "dev")


def test_without_a_file_its_reader_says_so(tmp_path: Path) -> None:
    with pytest.raises(StackFileError, match=r"there is no Pulumi\.dev\.yaml"):
        StackFile.read(tmp_path, "dev")


def test_values_without_quotes_have_a_meaning_in_each_version_of_yaml() -> None:
    assert list(yaml_text.meanings("1000:50")) == [60_050, "1000:50"]
    assert list(yaml_text.meanings("on")) == [True, "on"]
    assert list(yaml_text.meanings("[")) == [None, None]
    with pytest.raises(TypeError, match="list has no form"):
        yaml_text.scalar(["a"])


def test_the_settings_of_an_earlier_update_replace_those_of_the_file(file: Path) -> None:
    read = StackFile.read(file.parent, "prod")
    read.replace(
        {
            "router": {"user": "1000:50", "environment": {"SWITCH": "on", "NEW": "yes"}, "labels": {}, "cpus": None},
            "images": {"way": "registry", "digests": {"router": OTHER}},
            "services": ["router", "auction"],
            "auction": {"cpus": 2, "restart": "no"},
            "source": "sample",
            "network": {},
            "ledger": {"volume": "old"},
        },
        keep=["ledger"],
    )
    read.write()
    variables = "SWITCH: on, MODE: 0755, DAY: 2024-1-2, SIZE: 1_000, EMPTY: \"\", PLAIN: 'quoted'"
    digests = f"      auction: {DIGEST} # auction\n      # Before the router.\n      router: {DIGEST} # router\n"
    assert file.read_text() == WRITTEN.replace(variables, 'SWITCH: on, NEW: "yes"').replace(
        digests, f"      router: {OTHER} # router\n"
    )


def test_sections_that_an_earlier_update_did_not_have_lose_all_but_their_secrets(file: Path) -> None:
    read = StackFile.read(file.parent, "prod")
    read.replace({}, keep=["images", "services"])
    read.write()
    config = yaml.safe_load(file.read_text())["config"]
    assert config["gix:router"] == {"secretEnvironment": {"TOKEN": {"secure": "v1:c2VhbGVk:ZQ=="}}}
    assert config["gix:auction"] == {}
    assert config["gix:images"]["way"] == "registry"
