"""Sends jobs to the router of the sample by gRPC, and measures what they cost the services."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no types
import psutil
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]  # it ships no types
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]  # it ships no types
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]  # likewise
    ProtoReflectionDescriptorDatabase,
)

from benchmarks.commands import BenchmarkError
from benchmarks.site import Site
from gix_model.catalog import ServiceName

JOBS = 2000
"""Number of jobs of one measurement."""
_LIMIT = 100_000
"""The enclave looks for the primes up to this number in each job, which takes less than a millisecond."""
CALL_SECONDS = 10
"""How long each call may take."""
_SERVICE = "gix.v1.RouterService"


def processor_seconds(site: Site) -> Iterator[tuple[ServiceName, float]]:
    """The processor time that each service takes for all jobs, without its health checks.

    The engine must be on this machine. Raises BenchmarkError if a job fails.
    """
    processes = {service: _process(site, service) for service in site.ports}
    with grpc.insecure_channel(f"127.0.0.1:{site.ports['router']}", options=channel_options(CALL_SECONDS)) as channel:
        try:
            submit = submission(channel)
            # The first jobs open the connections between the services.
            submit(job="warm-up", limit=_LIMIT)
            before = _times(processes)
            for number in range(JOBS):
                submit(job=f"job-{number}", limit=_LIMIT)
        except grpc.RpcError as error:
            raise BenchmarkError(f"a job failed: {error.code().name}: {error.details()}") from error
    for service, seconds in _times(processes).items():
        yield service, seconds - before[service]


def _process(site: Site, service: ServiceName) -> psutil.Process:
    """The process of a service: process 1 of its container, or the oldest child of the init there."""
    container = site.container(service)
    first = psutil.Process(container.attrs["State"]["Pid"])
    if not container.attrs["HostConfig"].get("Init"):
        return first
    return min(first.children(), key=psutil.Process.create_time)


def channel_options(seconds: int) -> list[tuple[str, Any]]:
    """Options of a channel whose calls, those of reflection included, may take this long."""
    methods = [{"name": [{}], "timeout": f"{seconds}s"}]
    return [("grpc.service_config", json.dumps({"methodConfig": methods})), ("grpc.enable_http_proxy", 0)]


def submission(channel: grpc.Channel) -> Callable[..., Any]:
    """A function that sends a job with these fields by a channel, and returns its receipt.

    Raises grpc.RpcError if the job, or the router's own description of its messages, does not come back.
    """
    method = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindMethodByName(f"{_SERVICE}.Submit")
    job = GetMessageClass(method.input_type)
    submit = channel.unary_unary(
        f"/{_SERVICE}/Submit",
        request_serializer=job.SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return lambda **fields: submit(job(**fields))


def _times(processes: Mapping[ServiceName, psutil.Process]) -> dict[ServiceName, float]:
    times = {service: process.cpu_times() for service, process in processes.items()}
    return {service: time.user + time.system for service, time in times.items()}
