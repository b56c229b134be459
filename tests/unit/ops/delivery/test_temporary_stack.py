"""A temporary stack: its file, and what is removed of it from an engine."""

from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from gix_model.catalog import CATALOG
from gix_model.settings import LedgerSettings, StackSettings
from gix_model.stack_file import StackFile
from gix_ops.delivery import review
from gix_ops.delivery.temporary_stack import TemporaryStack
from gix_ops.errors import StackError
from tests.unit.engine.fake_engine import FakeEngine


class Engine(FakeEngine):
    """An engine that also has images, by their tags. Others remove the tags `fleeting` as soon as they are listed."""

    def __init__(self, *tags: str, fleeting: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.tags = {*tags, *fleeting}
        self.fleeting = fleeting

    def images(self) -> list[dict[str, Any]]:
        listed = [{"Id": f"sha256:{tag}", "RepoTags": [tag]} for tag in sorted(self.tags)]
        self.tags.difference_update(self.fleeting)
        return listed

    def remove_image(self, tag: str) -> None:
        if tag not in self.tags:
            raise ImageNotFound(f"no such image: {tag}")
        self.tags.remove(tag)


@pytest.fixture
def stack(tmp_path: Path) -> TemporaryStack:
    (tmp_path / "Pulumi.yaml").write_text("name: gix\nruntime: python\n")
    return review.stack(tmp_path, 1)


def test_what_the_stack_makes_is_removed_and_what_was_there_before_stays(stack: TemporaryStack) -> None:
    engine = Engine("pr-1-gix-router:before", "gix-router:latest")
    with stack.swept_from(engine.client):
        engine.tags |= {"pr-1-gix-router:latest", "pr-1-gix-auction:latest", "pr-10-gix-router:latest"}
        engine.add_container("c1", "pr-1-gix-router", stack="gix/pr-1")
        engine.add_network("n1", "pr-1-gix-network", stack="gix/pr-1")
        engine.add_volume("pr-1-gcam-data", stack="gix/pr-1")
        engine.add_container("c2", "gix-router", stack="gix/dev")
        engine.add_volume("gcam-data", stack="gix/dev")
    assert engine.tags == {"pr-1-gix-router:before", "gix-router:latest", "pr-10-gix-router:latest"}
    assert list(engine.all_containers) == ["c2"]
    assert engine.all_networks == {}
    assert list(engine.all_volumes) == ["gcam-data"]


def test_images_that_others_remove_meanwhile_are_no_failure(stack: TemporaryStack) -> None:
    engine = Engine("other:latest", fleeting=("pr-1-gix-router:latest", "another:latest"))
    with stack.swept_from(engine.client):
        engine.tags |= {"pr-1-gix-router:latest", "pr-1-gix-auction:latest"}
    assert engine.tags == {"other:latest"}


def test_an_engine_that_has_the_stack_already_is_refused_and_not_touched(stack: TemporaryStack) -> None:
    engine = Engine()
    engine.add_container("c1", "pr-1-gix-router", stack="gix/pr-1")
    with pytest.raises(StackError, match="already has container pr-1-gix-router"), stack.swept_from(engine.client):
        pytest.fail("the block must not run")
    assert engine.calls == []


def test_a_failure_in_the_block_leaves_nothing(stack: TemporaryStack) -> None:
    engine = Engine()

    def fail() -> None:
        engine.tags.add("pr-1-gix-enclave:latest")
        raise StackError("it failed")

    with pytest.raises(StackError, match="it failed"), stack.swept_from(engine.client):
        fail()
    assert engine.tags == set()


def test_its_file_is_that_of_another_stack_with_settings_of_its_own(stack: TemporaryStack) -> None:
    base = stack.directory / "Pulumi.dev.yaml"
    base.write_text("config:\n  gix:router:\n    user: 1000:50 # kept\n  gix:engine:\n    host: ssh://far\n")
    stack.configure(
        StackFile.read(stack.directory, "dev"),
        StackSettings(ledger=LedgerSettings(protect=False)),
        without=[("engine",)],
    )
    assert (stack.directory / "Pulumi.pr-1.yaml").read_text() == (
        "config:\n  gix:router:\n    user: 1000:50 # kept\n  gix:ledger:\n    protect: false\n"
    )


def test_each_pull_request_has_names_ports_and_a_subnet_of_its_own() -> None:
    first, second = review.settings(1), review.settings(2)
    assert (first.prefix, second.prefix) == ("pr-1", "pr-2")
    assert (first.network.subnet, second.network.subnet) == ("10.64.1.0/24", "10.64.2.0/24")
    ports = [getattr(settings, service).host_port for settings in (first, second) for service in CATALOG]
    first_place = 10_000 + len(CATALOG)
    assert ports == list(range(first_place, first_place + 2 * len(CATALOG)))
    assert review.settings(1 + review.PLACES).router.host_port == first.router.host_port

    last = review.settings(review.PLACES - 1)
    assert max(getattr(last, service).host_port for service in CATALOG) < 32_768, "Linux gives such ports to clients"
    assert not first.ledger.protect
