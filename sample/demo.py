#!/usr/bin/env python3
"""Sends jobs to a running GIX router, and shows the receipts and how the ledger grows.

    python sample/demo.py --router 127.0.0.1:50051 --jobs 5 --auction 127.0.0.1:50052

The result of every receipt is worked out again here. The exit code is 1 if a job does not settle, settles with a wrong
result, or is missing from the ledger. Without `--auction` the ledger is not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

if TYPE_CHECKING:
    from google.protobuf.message import Message

TIMEOUT = "30s"
"""How long a call may take: the longest that the router itself waits, and some more."""

CHANNEL = (
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "timeout": TIMEOUT}]})),
    ("grpc.enable_http_proxy", 0),
)

LIMITS = (10_000, 250_000, 40_000, 1_200_000, 90_000, 3_500_000)
"""The limits of the jobs, in turn, so that each provider gets some."""

LAST_SETTLEMENTS = 100
"""How many settlements the auction returns at most."""

LAST_PORT = 65535


class DemoError(Exception):
    """What went wrong, for a person to read."""


@dataclass(frozen=True)
class Service:
    """A gRPC service of the sample: its name in `gix.proto`, and where it listens."""

    name: str
    address: str
    credentials: grpc.ChannelCredentials | None = None
    """Of TLS; None without it."""

    def channel(self) -> grpc.Channel:
        """A connection to the service."""
        if self.credentials is None:
            return grpc.insecure_channel(self.address, options=CHANNEL)
        return grpc.secure_channel(self.address, self.credentials, options=CHANNEL)

    def call(self, method: str, **fields: object) -> Message:
        """Call a method. Its messages are read from the service itself, by gRPC reflection."""
        try:
            with self.channel() as channel:
                pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
                described = pool.FindMethodByName(f"gix.v1.{self.name}.{method}")
                request, answer = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
                call = channel.unary_unary(
                    f"/gix.v1.{self.name}/{method}",
                    request_serializer=request.SerializeToString,
                    response_deserializer=answer.FromString,
                )
                return call(request(**fields))
        except KeyError as error:
            raise DemoError(f"{self.address} serves no gix.v1.{self.name}: give the sample's address") from error
        except grpc.RpcError as error:
            unavailable = error.code() is grpc.StatusCode.UNAVAILABLE
            hint = "; is it running and published, and does it speak TLS?" if unavailable else ""
            raise DemoError(f"{method} failed at {self.address}: {error.details()}{hint}") from error


def address(text: str) -> str:
    """Check `HOST:PORT`."""
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isdecimal() and 0 < int(port) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051")
    return text


def pem(file: str) -> bytes:
    """Read a file of certificates or keys."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file} cannot be read: {error.strerror}") from error


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


def run(router: Service, auction: Service | None, jobs: int) -> None:
    """Send the jobs, one after the other, and check what comes back."""
    before = auction.call("ReadLedger") if auction else None
    began = time.strftime("%H%M%S")
    row("sequence", "job", "provider", "paid", "limit", "primes", "their sum", "ms")
    receipts = []
    for number in range(jobs):
        job, limit = f"demo-{began}-{number + 1}", LIMITS[number % len(LIMITS)]
        start = time.monotonic()
        receipt: Any = router.call("Submit", job=job, limit=limit)
        took = round((time.monotonic() - start) * 1000)
        row(receipt.seq, receipt.job, receipt.provider, receipt.paid, receipt.limit, receipt.count, receipt.sum, took)
        if (receipt.count, receipt.sum) != primes(limit):
            raise DemoError(f"job {job} came back with a wrong result")
        receipts.append(receipt)
    if auction:
        compare(before, auction.call("ReadLedger", last=min(jobs, LAST_SETTLEMENTS)), receipts)


def compare(before: Any, after: Any, receipts: list[Any]) -> None:
    """Show how the ledger grew, and find the last receipts in it, unless other clients' jobs came between."""
    paid = sum(receipt.paid for receipt in receipts)
    sys.stdout.write(
        f"\nledger: {before.settlements} settlements, {before.paid} paid -> {after.settlements}, {after.paid}"
        f"  (these jobs: {len(receipts)}, {paid})\n"
    )
    settled = {settlement.seq: settlement.SerializeToString(deterministic=True) for settlement in after.last}
    oldest = min(settled, default=after.settlements + 1)
    for receipt in receipts:
        kept = settled.get(receipt.seq)
        if receipt.seq > after.settlements or (
            receipt.seq >= oldest and kept != receipt.SerializeToString(deterministic=True)
        ):
            raise DemoError(f"job {receipt.job} has a receipt, and is not settlement {receipt.seq} of the ledger")


def main() -> int:
    """Run the command line; the exit code is 1 if a job did not settle."""
    parser = argparse.ArgumentParser(description="Sends jobs to a GIX router and shows receipts and ledger.")
    parser.add_argument(
        "--router",
        type=address,
        default="127.0.0.1:50051",
        metavar="HOST:PORT",
        help="the router; default: 127.0.0.1:50051",
    )
    parser.add_argument("--auction", type=address, metavar="HOST:PORT", help="the auction, to read the ledger from")
    parser.add_argument("--jobs", type=int, default=5, metavar="N", help="how many jobs to send; default: 5")
    parser.add_argument("--ca", type=pem, metavar="FILE", help="use TLS, and trust the authorities in this file")
    parser.add_argument("--certificate", type=pem, metavar="FILE", help="certificate of this client, for mTLS")
    parser.add_argument("--key", type=pem, metavar="FILE", help="private key of the certificate")
    options = parser.parse_args()
    if (options.certificate is None) != (options.key is None) or (options.key and not options.ca):
        parser.error("--certificate and --key belong together, and need --ca")
    credentials = None
    if options.ca:
        credentials = grpc.ssl_channel_credentials(options.ca, options.key, options.certificate)
    try:
        auction = Service("AuctionService", options.auction, credentials) if options.auction else None
        run(Service("RouterService", options.router, credentials), auction, options.jobs)
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
