"""The program exports the outputs of a stack as one model, which gixctl reads."""

from typing import Any

import pulumi
import pytest

from gix_components.platform import GixPlatform
from gix_model.catalog import CATALOG
from gix_model.outputs import NetworkOutputs, StackOutputs
from tests.unit.declared import declare, environment
from tests.unit.outputs import stack_outputs


def test_gixctl_reads_the_outputs_that_the_program_exports() -> None:
    exported: list[dict[str, Any]] = []

    def program(options: pulumi.ResourceOptions) -> None:
        platform = GixPlatform("gix", environment(), opts=options)
        pulumi.Output.from_input(platform.outputs).apply(exported.append)

    declare(program)
    read = StackOutputs.read(exported[0])
    assert read.label == "gix/dev"
    assert read.services.keys() == CATALOG.keys()
    assert read.services["router"].endpoint == "127.0.0.1:50051"
    assert (read.network.name, read.network.subnet, read.volume) == ("gix-network", "172.28.0.0/16", "gcam-data")
    assert read.scan.fail_on == "critical"


def test_outputs_are_unchanged_after_they_are_written_and_read() -> None:
    written = stack_outputs().model_dump(by_alias=True)
    assert StackOutputs.read(written) == stack_outputs()


def test_unknown_outputs_of_a_later_program_are_ignored() -> None:
    assert StackOutputs.read(stack_outputs().model_dump(by_alias=True) | {"later": {}}) == stack_outputs()


def test_an_output_without_a_value_may_be_missing() -> None:
    exported = stack_outputs().model_dump(by_alias=True)
    del exported["volume"]
    del exported["services"]["router"]["endpoint"]
    read = StackOutputs.read(exported)
    assert (read.volume, read.services["router"].endpoint) == (None, None)


def test_outputs_of_another_program_are_refused() -> None:
    with pytest.raises(ValueError, match="services"):
        StackOutputs.read({"label": "gix/dev"})


def test_a_program_cannot_export_an_output_that_the_model_does_not_have() -> None:
    with pytest.raises(TypeError, match="has the outputs name, subnet; got name, range"):
        NetworkOutputs.export(name="gix-network", range="172.28.0.0/16")
