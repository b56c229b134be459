from __future__ import annotations

import pytest

from .machine import Machine

BASE = "gix-offline/debian:bookworm-slim-0123456789ab-x86_64"


@pytest.fixture
def edge_machine(machine: Machine) -> Machine:
    """A machine with an engine that has no image of HAProxy."""
    machine.docker()
    assert machine.run("engine.sh").returncode == 0
    return machine


def test_with_the_official_base_images_the_official_haproxy_is_pulled_later(edge_machine: Machine) -> None:
    edge_machine.publish("bases", "")

    assert edge_machine.run("edge.sh").returncode == 0
    assert edge_machine.published("edge").strip() == ""


def test_without_a_registry_haproxy_is_made_once_under_its_own_name(edge_machine: Machine) -> None:
    edge_machine.publish("bases", f"GIX_RUNTIME_BASE='{BASE}'\n")

    first, second = edge_machine.run("edge.sh"), edge_machine.run("edge.sh")

    assert first.returncode == second.returncode == 0, first.stdout + second.stdout
    assert "did     made gix-offline/haproxy:bookworm-" in first.stdout
    assert "did     nothing" in second.stdout
    name = edge_machine.published("edge").strip().removeprefix("GIX_EDGE_IMAGE=").strip("'")
    assert name.endswith("-0123456789ab-x86_64")
    assert name in (edge_machine.engine / "images").read_text().split()


def test_another_base_image_makes_another_haproxy(edge_machine: Machine) -> None:
    names = []
    for base in (BASE, BASE.replace("0123", "4567")):
        edge_machine.publish("bases", f"GIX_RUNTIME_BASE='{base}'\n")
        assert edge_machine.run("edge.sh").returncode == 0
        names.append(edge_machine.published("edge"))
    assert len(set(names)) == len(names)
