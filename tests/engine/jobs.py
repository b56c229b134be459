"""Jobs for a running stack, by the router's published port, and the ledger as it stands on the volume."""

import json
import socket
from typing import Any

from tests.engine.stack_under_test import StackUnderTest

_ANSWER_WITHIN_SECONDS = 10


def ask(address: tuple[str, int], request: dict[str, Any]) -> dict[str, Any]:
    """One line of JSON to a service, and the line that it answers."""
    with socket.create_connection(address, timeout=_ANSWER_WITHIN_SECONDS) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
    return answer


def settle(stack: StackUnderTest, jobs: int) -> list[dict[str, Any]]:
    """Send jobs to the router; fail where one of them does not come back with a receipt."""
    address = stack.endpoint("router")
    receipts = [ask(address, {"job": f"job-{number}", "limit": 1000}) for number in range(jobs)]
    failed = [receipt for receipt in receipts if not receipt.get("ok")]
    assert not failed, failed
    return receipts


def ledger(stack: StackUnderTest) -> list[str]:
    """The lines of the ledger, as the auction's container sees them on its volume."""
    container = stack.client.containers.get(f"{stack.prefix}-gix-auction")
    result = container.exec_run(["cat", "/data/ledger.jsonl"])
    assert result.exit_code == 0, result.output
    assert isinstance(result.output, bytes)
    return result.output.decode().splitlines()
