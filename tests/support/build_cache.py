"""The engine's build cache: tests remove from it what they made themselves, to build like an engine without it."""

import json
from typing import Any

import docker


def forget(client: docker.DockerClient, mark: str) -> None:
    """Remove the layers of instructions that contain `mark`, and all layers on top of them. Others stay.

    No image may use these layers any more.
    """
    while own := _marked(client, mark):
        parents = {record["Parent"] for record in own.values()}
        removed = [_remove(client, each) for each in own if each not in parents]
        assert any(removed), f"in use: {[record['Description'] for record in own.values()]}"


def _marked(client: docker.DockerClient, mark: str) -> dict[str, dict[str, Any]]:
    records = {record["ID"]: record for record in client.df()["BuildCache"]}
    own = {each for each, record in records.items() if mark in record["Description"]}
    while more := {each for each, record in records.items() if record["Parent"] in own} - own:
        own |= more
    return {each: records[each] for each in own}


def _remove(client: docker.DockerClient, record: str) -> bool:
    # The filter is a regular expression. The SDK's prune_builds() takes no filter.
    parameters = {"all": "1", "filters": json.dumps({"id": [f"^{record}$"]})}
    response = client.api.post(f"{client.api.base_url}/v{client.api.api_version}/build/prune", params=parameters)
    response.raise_for_status()
    removed = response.json()["CachesDeleted"] or []
    assert set(removed) <= {record}
    return bool(removed)
