#!/usr/bin/env python3
"""Sends jobs to a running GIX router, and shows the receipts and how the ledger grows.

    python sample/demo.py --router 127.0.0.1:50051 --jobs 5 --auction 127.0.0.1:50052

The result of every receipt is worked out again here. The exit code is 1 if a job does not settle, settles with a wrong
result, or is missing from the ledger. Without `--auction` the ledger is not looked at.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

TIMEOUT = 30
"""Seconds that a service may take to answer: the longest that the router itself waits, and some more."""

LIMITS = (10_000, 250_000, 40_000, 1_200_000, 90_000, 3_500_000)
"""What the jobs ask for in turn, so that each provider gets some."""

LAST_PORT = 65535


class DemoError(Exception):
    """What went wrong, for a person to read."""


@dataclass(frozen=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Ledger:
    """What the auction says of its ledger: totals over all settlements, and the last lines."""

    settlements: int
    paid: int
    lines: list[dict[str, Any]]


def address(text: str) -> Address:
    """Read `HOST:PORT`."""
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isdecimal() and 0 < int(port) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051")
    return Address(host, int(port))


def ask(service: str, where: Address, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Send one request; return the answer and the lines that it says follow it."""
    try:
        with socket.create_connection((where.host, where.port), TIMEOUT) as connection:
            stream = connection.makefile("rw", encoding="utf-8")
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
            lines = [json.loads(stream.readline()) for _ in range(answer.get("lines", 0))]
    except OSError as error:
        raise DemoError(f"the {service} at {where} cannot be reached: {error}; is it running and published?") from error
    except ValueError as error:
        raise DemoError(f"what listens at {where} is not the {service} of the sample: {error}") from error
    if not answer.get("ok"):
        raise DemoError(f"the {service} refused {request}: {answer.get('error', answer)}")
    return [answer, *lines]


def read_ledger(auction: Address, last: int) -> Ledger:
    """Ask the auction for its totals and up to `last` lines (it keeps 100 at hand)."""
    totals, *lines = ask("auction", auction, {"verb": "ledger", "last": last})
    return Ledger(totals["settlements"], totals["paid"], lines)


def primes(limit: int) -> tuple[int, int]:
    """Count and sum of the primes up to `limit`: what the enclave must have found."""
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = bytes(min(2, limit + 1))
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    found = [number for number, prime in enumerate(sieve) if prime]
    return len(found), sum(found)


def row(*cells: object) -> None:
    """Print one line of the table."""
    widths = (8, 22, 10, 6, 8, 10, 16, 7)
    line = "  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True))
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(router: Address, auction: Address | None, jobs: int) -> None:
    """Send the jobs, one after the other, and check what comes back."""
    before = read_ledger(auction, 0) if auction else None
    began = time.strftime("%H%M%S")
    row("sequence", "job", "provider", "paid", "limit", "primes", "their sum", "ms")
    receipts = []
    for number in range(jobs):
        job, limit = f"demo-{began}-{number + 1}", LIMITS[number % len(LIMITS)]
        start = time.monotonic()
        receipt = ask("router", router, {"job": job, "limit": limit})[0]
        took = round((time.monotonic() - start) * 1000)
        row(*(receipt[key] for key in ("seq", "job", "provider", "paid", "limit", "count", "sum")), took)
        if (receipt["count"], receipt["sum"]) != primes(limit):
            raise DemoError(f"job {job} came back with a wrong result")
        receipts.append(receipt)
    if auction and before:
        compare(before, read_ledger(auction, min(jobs, 100)), receipts)


def compare(before: Ledger, after: Ledger, receipts: list[dict[str, Any]]) -> None:
    """Show how the ledger grew, and look for the last receipts in it, unless other clients' jobs came between."""
    paid = sum(receipt["paid"] for receipt in receipts)
    sys.stdout.write(
        f"\nledger: {before.settlements} settlements, {before.paid} paid -> {after.settlements}, {after.paid}"
        f"  (these jobs: {len(receipts)}, {paid})\n"
    )
    lines = {line["seq"]: line for line in after.lines}
    oldest = min(lines, default=after.settlements + 1)
    for receipt in receipts:
        line = {key: value for key, value in receipt.items() if key != "ok"}
        sequence = receipt["seq"]
        if sequence > after.settlements or (sequence >= oldest and lines.get(sequence) != line):
            raise DemoError(f"job {receipt['job']} has a receipt, and is not line {sequence} of the ledger")


def main() -> int:
    """Run the command line; the exit code is 1 if a job did not settle."""
    parser = argparse.ArgumentParser(description="Sends jobs to a GIX router and shows receipts and ledger.")
    parser.add_argument("--router", type=address, default="127.0.0.1:50051", metavar="HOST:PORT")
    parser.add_argument("--auction", type=address, metavar="HOST:PORT", help="where the auction is published, if it is")
    parser.add_argument("--jobs", type=int, default=5, metavar="N", help="how many jobs to send (5)")
    options = parser.parse_args()
    try:
        run(options.router, options.auction, options.jobs)
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
