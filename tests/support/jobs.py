"""Jobs for a running stack, by the router's published port, and the ledger as it stands on the volume."""

import io
import tarfile
import time
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no types
from docker.models.containers import Container

from benchmarks.jobs import CALL_SECONDS, submission
from tests.support.channels import channel
from tests.support.stack_under_test import StackUnderTest

LIMIT = 1000
PRIMES = (168, 76127)
"""How many primes there are up to LIMIT, and their sum: what the enclave works out."""
_UP_WITHIN_SECONDS = 20


def ask(
    router: tuple[str, int], job: dict[str, Any], credentials: grpc.ChannelCredentials | None = None
) -> dict[str, Any]:
    """Send a job to a router. The answer is the receipt with `ok` true, or `ok` false and the `error`."""
    with channel(router, CALL_SECONDS, credentials) as connection:
        try:
            receipt = submission(connection)(**job)
        except grpc.RpcError as error:
            return {"ok": False, "error": f"{error.code().name}: {error.details()}"}
    return {"ok": True} | {field.name: getattr(receipt, field.name) for field in receipt.DESCRIPTOR.fields}


def settle_at(router: tuple[str, int], jobs: int) -> list[dict[str, Any]]:
    """Send jobs to a router; fail where one of them does not come back with a receipt and the right result."""
    receipts = [ask(router, {"job": f"job-{number}", "limit": LIMIT}) for number in range(jobs)]
    results = [(receipt.get("ok"), receipt.get("count"), receipt.get("sum")) for receipt in receipts]
    assert results == jobs * [(True, *PRIMES)], receipts
    return receipts


def until_it_settles(router: tuple[str, int]) -> None:
    """Wait until services without health checks are up."""
    deadline = time.monotonic() + _UP_WITHIN_SECONDS
    while True:
        answer = ask(router, {"job": "first", "limit": 10})
        if answer["ok"]:
            return
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def settle(stack: StackUnderTest, jobs: int) -> list[dict[str, Any]]:
    """Send jobs to the stack's published router, as `settle_at`."""
    return settle_at(stack.endpoint("router"), jobs)


def ledger(stack: StackUnderTest) -> list[str]:
    """The lines of the ledger in the auction's container."""
    container = stack.client.containers.get(f"{stack.prefix}-gix-auction")
    return file_in(container, "/data/ledger.jsonl").decode().splitlines()


def file_in(container: Container, path: str) -> bytes:
    """The content of a file in a container. The output of `docker exec` can lack its beginning (Docker 20.10)."""
    stream, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        [entry] = archive.getmembers()
        content = archive.extractfile(entry)
        assert content is not None
        return content.read()
