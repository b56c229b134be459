"""The benchmark on the sample: each case that compiles no third-party crates, once, for its result and not its time.

Docker Compose takes no part, since building it takes minutes. `make bench` runs the same cases with it.
"""

import docker

from benchmarks.cases import CASES, side_by_side
from benchmarks.subjects import Subject, subjects
from gix_engine.observed_state import observe_images
from gix_model.catalog import CATALOG

PEERS = ["gix-dev", "empty"]
ALONE = [letter for letter, case in CASES.items() if not case.compiles and letter != "k"]
RESTARTING = {"d", "f"}
"""The cases that restart the router and measure how long each service is unreachable."""


def leavings(client: docker.DockerClient) -> list[str]:
    """What benchmarks have on the engine."""
    found = [str(each.name) for each in client.containers.list(all=True, ignore_removed=True)]
    found += [str(each.name) for each in client.networks.list()]
    found += [each.name for each in client.volumes.list()]
    found += [tag for image in observe_images(client) for tag in image.tags]
    return [name for name in found if name.startswith("bench-")]


def figures(subject: Subject, letter: str) -> dict[str, float]:
    measured = list(CASES[letter].measure(subject))
    assert all(figure.value > 0 for figure in measured)
    return {figure.quantity: figure.value for figure in measured}


def containers(subject: Subject) -> dict[str, str]:
    return {service: str(subject.site.container(service).id) for service in subject.site.ports}


def test_every_case_has_a_right_result_for_every_peer_and_nothing_stays(client: docker.DockerClient) -> None:
    with subjects(client, "sample", PEERS) as taking_part:
        prefixes = tuple(subject.site.prefix for subject in taking_part)
        for letter in ALONE:
            for subject in filter(CASES[letter].includes, taking_part):
                if letter not in RESTARTING:
                    figures(subject, letter)
                    continue
                subject.ensure_up()
                before = containers(subject)
                measured = figures(subject, letter)
                replaced = {
                    service for service, container in containers(subject).items() if container != before[service]
                }
                assert replaced == {"router"}
                assert {name.split()[0] for name in measured if "unreachable" in name} == CATALOG.keys()
        for subject in taking_part:
            if subject.peer.has_services:
                beside = {figure.quantity: figure.value for figure in side_by_side(subject, 1)}
                assert beside["1 side by side: memory of up"] > 1_000_000

    assert [name for name in leavings(client) if name.startswith(prefixes)] == []
