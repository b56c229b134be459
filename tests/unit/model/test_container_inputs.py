"""The table of a container's inputs: the provider's arguments and those of the Docker SDK for a trial agree."""

from datetime import timedelta

import docker.models.containers

from gix_model import container_inputs
from gix_model.container_inputs import INPUTS, Change
from gix_model.settings import ServiceSettings
from gix_model.units import Memory

WITHOUT_EFFECT_ON_A_TRIAL = {"stopTimeout"}
"""A trial is killed at its end."""


def test_each_input_that_replaces_a_container_reaches_its_trial() -> None:
    needed = {
        row.name
        for row in INPUTS.values()
        if row.declared is not None and row.change in (Change.REPLACE, Change.RECORD_ONLY)
    }
    assert {name for name in needed if INPUTS[name].created is None} == WITHOUT_EFFECT_ON_A_TRIAL


def test_the_trial_gets_the_values_of_the_settings_in_the_form_of_the_docker_sdk() -> None:
    settings = ServiceSettings.model_validate(
        {
            "cpus": 1.5,
            "memory": "256MiB",
            "readOnlyRoot": True,
            "dropCapabilities": ["ALL"],
            "ulimits": {"nofile": {"soft": 1024, "hard": 2048}},
            "extraHosts": {"ledger.test": "192.0.2.7"},
        }
    )
    assert settings.memory == Memory.parse("256MiB")
    assert settings.stop_grace == timedelta(seconds=10)
    created = container_inputs.created(settings)
    assert created == {
        "user": "1000:1000",
        "nano_cpus": 1_500_000_000,
        "mem_limit": 256 * 2**20,
        "memswap_limit": 512 * 2**20,
        "read_only": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:false"],
        "init": True,
        "stop_signal": "SIGINT",
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
        "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
        "extra_hosts": {"ledger.test": "192.0.2.7"},
    }
    known = {*docker.models.containers.RUN_CREATE_KWARGS, *docker.models.containers.RUN_HOST_CONFIG_KWARGS}
    assert created.keys() <= known
