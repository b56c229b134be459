"""What the rules say about a stack in Swarm, and the task that the settings make."""

from typing import Any

import pytest

from gix_model import swarm_spec
from gix_model.environment import Environment
from gix_model.problems import ConfigurationError
from tests.unit.declared import configured, environment

SWARM: dict[str, Any] = {
    "engine": {"mode": "swarm", "host": "ssh://one", "nodes": {"two": "ssh://two"}},
    "ledger": {"node": "two"},
    "rollout": {"strategy": "start-first"},
    "images": {"way": "registry"},
    "registry": {"address": "registry.example"},
}


def in_swarm(**sections: Any) -> Environment:
    given = SWARM | {name: SWARM.get(name, {}) | value for name, value in sections.items() if isinstance(value, dict)}
    given |= {name: value for name, value in sections.items() if not isinstance(value, dict)}
    return environment(**configured({f"gix:{key}": value for key, value in given.items()}))


def refused(**sections: Any) -> dict[str, str]:
    """The fixes by key."""
    with pytest.raises(ConfigurationError) as caught:
        in_swarm(**sections)
    return {each.subject.split(" = ")[0]: each.fix for each in caught.value.problems}


def test_a_complete_configuration_is_accepted() -> None:
    read = in_swarm(prefix="blue")
    assert read.is_swarm
    assert read.ledger_engine.host == "ssh://two"
    assert read.service_names == {f"blue-gix-{name}" for name in ("router", "auction", "enclave", "edge")}
    assert read.container_names == frozenset()


@pytest.mark.parametrize(
    ("section", "value", "key"),
    [
        ("rollout", {"strategy": "restart"}, "gix:rollout.strategy"),
        ("images", {"way": "multi-stage"}, "gix:images.push"),
        ("ledger", {"node": None}, "gix:ledger.node"),
        ("ledger", {"node": "three"}, "gix:ledger.node"),
        ("takeOver", True, "gix:takeOver"),
        ("network", {"driver": "bridge"}, "gix:network.driver"),
        ("router", {"bindAddress": "127.0.0.1"}, "gix:router.bindAddress"),
        ("router", {"memory": "1G", "memorySwap": "1G"}, "gix:router.memorySwap"),
        ("router", {"noNewPrivileges": True}, "gix:router.noNewPrivileges"),
        ("router", {"ulimits": {"nofile": {"soft": 1, "hard": 1}}}, "gix:router.ulimits.nofile"),
        ("router", {"healthCheck": {"startInterval": "1s"}}, "gix:router.healthCheck.startInterval"),
        ("router", {"extraHosts": {"peer": "host-gateway"}}, "gix:router.extraHosts.peer"),
        ("router", {"tmpfs": {"/cache": "exec"}}, "gix:router.tmpfs./cache"),
        ("router", {"stopGrace": "5s"}, "gix:router.stopGrace"),
        ("router", {"memory": "1G", "reservations": {"memory": "2G"}}, "gix:router.reservations.memory"),
        ("router", {"cpus": 1, "reservations": {"cpus": 1.5}}, "gix:router.reservations.cpus"),
        ("router", {"placement": {"constraints": ["zone is a"]}}, "gix:router.placement.constraints[0]"),
        ("engine", {"nodes": {"two": "tcp://two:2375"}}, "gix:engine.nodes.two"),
    ],
)
def test_what_swarm_cannot_do_is_refused_with_a_fix(section: str, value: Any, key: str) -> None:
    assert refused(**{section: value})[key]


@pytest.mark.parametrize(
    ("section", "value", "key"),
    [
        ("engine", {"nodes": {"two": "ssh://two"}}, "gix:engine.nodes"),
        ("network", {"encrypted": True}, "gix:network.encrypted"),
        ("network", {"endpoint": "vip"}, "gix:network.endpoint"),
        ("ledger", {"node": "two"}, "gix:ledger.node"),
        ("edge", {"nodeLabel": "edge=true"}, "gix:edge.nodeLabel"),
        ("router", {"reservations": {"memory": "1G"}}, "gix:router.reservations"),
        ("defaults", {"placement": {"spread": "node.labels.zone"}}, "gix:router.placement"),
    ],
)
def test_what_only_swarm_can_do_is_refused_in_containers(section: str, value: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment(**configured({f"gix:{section}": value}))
    assert key in {each.subject for each in caught.value.problems}


def test_a_subnet_has_room_for_the_edges_of_all_nodes() -> None:
    nodes = {f"node{number}": f"ssh://node{number}" for number in range(5)}
    found = refused(engine={"nodes": nodes}, ledger={"node": "node1"}, network={"subnet": "10.9.0.0/28"})
    assert "gix:network.subnet" in found


def test_without_a_trial_the_configuration_is_accepted() -> None:
    assert not in_swarm(rollout={"strategy": "start-first", "trial": False}).settings.rollout.trial


def test_the_task_states_limits_also_if_there_are_none_so_that_they_can_be_removed() -> None:
    service = in_swarm(router={"reservations": {"cpus": 0.5}}).services["router"]
    nothing = {"nano_cpus": 0, "memory_bytes": 0}
    assert swarm_spec.task_spec(service)["resources"] == {
        "limits": nothing,
        "reservation": nothing | {"nano_cpus": 500_000_000},
    }


@pytest.mark.parametrize(
    ("policy", "condition", "attempts"),
    [("no", "none", 0), ("always", "any", 0), ("unless-stopped", "any", 0), ("on-failure:3", "on-failure", 3)],
)
def test_a_restart_policy_is_one_of_swarm(policy: str, condition: str, attempts: int) -> None:
    found = swarm_spec.task_spec(in_swarm(router={"restart": policy}).services["router"])["restart_policy"]
    assert (found["condition"], found["max_attempts"]) == (condition, attempts)


def test_times_have_the_form_that_swarm_returns() -> None:
    service = in_swarm(router={"stopGrace": "60s", "healthCheck": {"interval": "90s"}}).services["router"]
    found = swarm_spec.container_spec(service, ["CMD", "true"])
    assert (found["stop_grace_period"], found["healthcheck"]["interval"]) == ("1m", "1m30s")


def test_a_read_only_root_has_the_same_tmpfs_as_in_a_container() -> None:
    service = in_swarm(router={"readOnlyRoot": True, "tmpfs": {"/cache": "size=1g"}}).services["router"]
    sizes = {each["target"]: each["tmpfs_options"]["size_bytes"] for each in swarm_spec.tmpfs_mounts(service)}
    assert sizes == {"/tmp": 64 * 2**20, "/cache": 2**30}


@pytest.mark.parametrize(("replicas", "parallelism"), [(1, 1), (4, 1), (5, 2), (20, 5)])
def test_an_update_replaces_a_quarter_of_the_tasks_at_a_time(replicas: int, parallelism: int) -> None:
    found = swarm_spec.update_config(order="start-first", failure_action="rollback", replicas=replicas)
    assert found["parallelism"] == parallelism
