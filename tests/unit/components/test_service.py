"""Each key of a service: the input that it changes, and how `verify` compares that input with the engine.

The scenarios are the trials of the change matrix: a new key is tested here as soon as it has its row there.
"""

import functools
from typing import Any

import pytest

from gix_components.platform import GixPlatform
from gix_model import provider_facts
from gix_model.container_inputs import INPUTS, Change
from gix_model.settings import ServiceSettings
from gix_ops import fields, verify_containers
from gix_ops.differences import Report
from gix_ops.resources import Resource
from offline.docker_plugin.resources.container_config import engine_config
from tests.engine.change_matrix_trials import MEMORY, MEMORY_SWAP, NO_SITE, container_trials
from tests.unit.declared import configured, declare, environment

TRIALS = {f"{trial.input} by {trial.key} of {trial.service}": trial for trial in container_trials(NO_SITE)}
NEEDED = {MEMORY_SWAP.key: {MEMORY.key: MEMORY.before}}
"""Keys that a trial's key needs."""
WITH_THE_INPUT_OF_ANOTHER_KEY = {"bindAddress": "ports", "hostPort": "ports", "rustBacktrace": "envs"}
"""Keys without a trial of their own, each with an input that a trial changes."""
OF_THE_EDGE = {"replicas"}
"""Keys that need an edge. tests/engine/test_edge.py changes them."""
OF_SWARM = {"reservations", "placement"}
"""Keys that need Swarm. tests/unit/model/test_swarm.py sets them."""


@functools.cache
def declared(name: str, *, changed: bool) -> dict[str, Any]:
    """The inputs of the service's container before or after the change of the trial `name`."""
    trial = TRIALS[name]
    value = trial.after if changed else trial.before
    for key in reversed(trial.key.split(".")):
        value = {key: value}
    configuration = environment(**configured({trial.service: NEEDED.get(trial.key, {}) | value}))
    resources = declare(lambda opts: GixPlatform("gix", configuration, opts)).resources
    return resources[f"gix-{trial.service}-container"].inputs


def engine_record(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the engine shows of a healthy container that was created with these inputs."""
    # The provider fills in defaults before it creates a container.
    check = {"startInterval": "0s"} | inputs["healthcheck"]
    request = engine_config({"restart": "no"} | inputs | {"healthcheck": check})
    host = {"RestartPolicy": {}, "LogConfig": {}, "ReadonlyRootfs": False, "Privileged": False} | request["HostConfig"]
    return {
        "Id": "1" * 64,
        "Name": f"/{inputs['name']}",
        "Image": inputs["image"],
        "State": {"Status": "running", "Health": {"Status": "healthy"}},
        "Config": request,
        "HostConfig": host,
        "Mounts": [
            {
                "Type": "volume",
                "Name": each["volumeName"],
                "Source": "/var/lib/docker",
                "Destination": each["containerPath"],
                "RW": True,
            }
            for each in inputs.get("volumes") or []
        ],
        "NetworkSettings": {
            "Networks": {each["name"]: {"Aliases": each["aliases"]} for each in inputs["networksAdvanced"]}
        },
    }


def compared(inputs: dict[str, Any], found: dict[str, Any]) -> Report:
    report = Report(stack="gix/dev")
    urn = "urn:pulumi:dev::gix::docker:index/container:Container::gix-router-container"
    resource = Resource(urn=urn, type=provider_facts.CONTAINER, id="1" * 64, inputs=inputs, outputs={})
    verify_containers.compare_container(report, resource, found, {"Id": inputs["image"], "Config": {}})
    return report


def field_names(name: str) -> set[str]:
    """The fields of the trial's input, before and after its change."""
    both = [fields.read(declared(name, changed=changed)) for changed in (False, True)]
    return {field for each in both for field in each.get(TRIALS[name].input, {})}


@pytest.mark.parametrize("name", TRIALS)
@pytest.mark.parametrize("changed", [False, True], ids=["before", "after"])
def test_given_a_container_as_declared_verify_finds_no_difference_and_leaves_nothing_out(
    name: str, *, changed: bool
) -> None:
    inputs = declared(name, changed=changed)
    report = compared(inputs, engine_record(inputs))
    assert report.differences == []
    assert report.not_compared == []


@pytest.mark.parametrize("name", TRIALS)
def test_given_a_container_from_before_a_change_verify_finds_the_changed_input_unless_it_instructs_the_provider(
    name: str,
) -> None:
    report = compared(declared(name, changed=True), engine_record(declared(name, changed=False)))
    found = {each.field for each in report.differences} & field_names(name)
    assert bool(found) == (INPUTS[TRIALS[name].input].change is not Change.INSTRUCT)


@pytest.mark.parametrize("name", TRIALS)
def test_a_change_of_a_key_changes_the_fields_of_its_input(name: str) -> None:
    before, after = (fields.read(declared(name, changed=changed)) for changed in (False, True))
    assert before.get(TRIALS[name].input, {}) != after.get(TRIALS[name].input, {})


def test_every_key_of_a_service_has_a_trial() -> None:
    keys = {field.alias for field in ServiceSettings.model_fields.values()}
    tried = {trial.key.partition(".")[0] for trial in TRIALS.values()}
    assert keys == tried | WITH_THE_INPUT_OF_ANOTHER_KEY.keys() | OF_THE_EDGE | OF_SWARM
    assert set(WITH_THE_INPUT_OF_ANOTHER_KEY.values()) <= {trial.input for trial in TRIALS.values()}


def test_the_table_has_every_input_that_a_container_states() -> None:
    stated = {name for trial in TRIALS for name in declared(trial, changed=True)}
    assert stated <= INPUTS.keys()
    assert {row.name for row in INPUTS.values() if row.declared} <= stated
