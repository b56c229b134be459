"""A release: its file, and how it is pinned in the file of a stack."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gix_model.stack_file import StackFile
from gix_ops.delivery import release
from gix_ops.delivery.release import Release
from gix_ops.errors import StackError
from tests.unit.model.test_stack_file import DIGEST, WRITTEN

OTHER_DIGEST = f"sha256:{'b' * 64}"


def test_a_pinned_release_changes_the_digests_and_nothing_else(tmp_path: Path) -> None:
    pushed = Release(
        registry="ghcr.io", organization="gix", tag="v2", digests={"router": OTHER_DIGEST, "auction": OTHER_DIGEST}
    )
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(WRITTEN)
    release.pin(tmp_path, "prod", pushed)
    expected = WRITTEN.replace(DIGEST, OTHER_DIGEST)
    expected = expected.replace("# router\n", "# router\n    tag: v2\n")
    registry = "  gix:registry:\n    address: ghcr.io\n    organization: gix\n"
    assert file.read_text() == expected.replace("encryptionsalt", f"{registry}encryptionsalt")


def stack_file(directory: Path, config: dict[str, Any]) -> StackFile:
    (directory / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    return StackFile.read(directory, "dev")


def test_a_release_pins_its_digests_and_leaves_the_rest_of_an_environment(tmp_path: Path) -> None:
    old, new = (f"sha256:{digit * 64}" for digit in "ab")
    pushed = Release(registry="r:5000", organization="gix", tag="v2", digests={"router": new})
    pushed.save(tmp_path / "release.json")
    assert Release.load(tmp_path / "release.json") == pushed
    file = stack_file(
        tmp_path,
        {
            "gix:images": {
                "way": "multi-stage",
                "push": True,
                "platform": "linux/arm64",
                "digests": {"old": old, "auction": old},
            },
            "gix:registry": {"username": "gix"},
            "gix:router": {"rustLog": "warn"},
        },
    )
    pushed.pin(file)
    assert file.config == {
        "gix:images": {
            "way": "registry",
            "platform": "linux/arm64",
            "tag": "v2",
            "digests": {"router": new},
        },
        "gix:registry": {"username": "gix", "address": "r:5000", "organization": "gix"},
        "gix:router": {"rustLog": "warn"},
    }


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "not JSON", '{"registry": "r", "organization": "o", "tag": "v1", "digests": {"router": "latest"}}'],
)
def test_given_a_file_that_is_not_a_release_its_reader_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "release.json").write_text(content)
    with pytest.raises(StackError, match="not a release"):
        Release.load(tmp_path / "release.json")
