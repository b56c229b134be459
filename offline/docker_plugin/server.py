"""The SDK's gRPC server, with readable errors and the answer "created, but failed"."""

import argparse
import asyncio
import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # it ships no types
from google.protobuf import any_pb2  # type: ignore[import-untyped]  # it ships no types
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import engine_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from offline.docker_plugin import VERSION
from offline.docker_plugin.errors import PartialFailureError, PluginError, readable
from offline.docker_plugin.log import EngineLog
from offline.docker_plugin.provider import DockerProvider
from offline.docker_plugin.values import to_properties

_MOST_OPERATIONS: Final = 64
"""Docker operations at the same time. Each waits in its own thread, mostly for a health check."""

_ORPHAN_POLL_SECONDS: Final = 1.0

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.server_max_unrequested_time_in_server", 30 * 60),
)
"""Pulumi's own limits. gRPC's defaults, 4 MiB and 30 s in the queue, end large or slow updates."""

_GUARDED: Final = (
    *("CheckConfig", "DiffConfig", "Configure", "GetSchema", "Invoke"),
    *("Check", "Diff", "Create", "Read", "Update", "Delete"),
)

_Rpc = Callable[..., Awaitable[Any]]


class DockerServicer(ProviderServicer):
    """Answers the Pulumi engine."""

    def __init__(self, arguments: list[str], engine_address: str) -> None:
        self.log = EngineLog(engine_address)
        self.provider = DockerProvider(self.log)
        super().__init__(arguments, VERSION, self.provider, engine_address=engine_address)


def serve(arguments: list[str]) -> None:
    """Serve until the Pulumi engine ends the process.

    Args:
        arguments: the command line: the engine's address, and flags that are ignored.

    """
    parser = argparse.ArgumentParser(prog="pulumi-resource-docker", description=__doc__)
    parser.add_argument("engine", help="the address of the Pulumi engine")
    engine_address: str = parser.parse_known_args(arguments)[0].engine
    try:
        asyncio.run(_serve(arguments, engine_address))
    except KeyboardInterrupt:
        return


async def _serve(arguments: list[str], engine_address: str) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_MOST_OPERATIONS))
    server = grpc.aio.server(options=_CHANNEL_OPTIONS)
    servicer = DockerServicer(arguments, engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine does other work before it configures the plugin, so a slow import costs nothing here.
    await asyncio.to_thread(importlib.import_module, "docker")
    orphaned = asyncio.Event()
    threading.Thread(target=_watch_engine, args=(lambda: loop.call_soon_threadsafe(orphaned.set),), daemon=True).start()
    await orphaned.wait()
    await servicer.provider.cancel()
    await server.stop(None)


def _watch_engine(gone: Callable[[], object]) -> None:
    """Call `gone` when the engine has ended. It ends its plugins itself unless it is killed."""
    engine = os.getppid()
    while os.getppid() == engine:
        time.sleep(_ORPHAN_POLL_SECONDS)
    gone()


def _guarded(rpc: _Rpc) -> _Rpc:
    async def call(self: DockerServicer, request: Any, context: Any) -> Any:
        try:
            return await rpc(self, request, context)
        except PartialFailureError as error:
            context.set_trailing_metadata((("grpc-status-details-bin", _init_failed(error)),))
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except PluginError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except grpc.aio.AbortError:
            raise
        except NotImplementedError as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the offline docker plugin: {error}")
        except Exception as error:  # noqa: BLE001 - the user gets one paragraph for any error
            # Pulumi shows a plugin's standard error, so the traceback goes to the debug log.
            self.log.send(traceback.format_exc(), urn="", severity=engine_pb2.DEBUG, ephemeral=False)
            await context.abort(grpc.StatusCode.UNKNOWN, readable(error))

    return call


def _bare_if_gone(read: _Rpc) -> _Rpc:
    """Answer without properties if the object does not exist. With empty ones, as from the SDK, an import succeeds."""

    async def call(self: DockerServicer, request: Any, context: Any) -> Any:
        response = await read(self, request, context)
        return response if response.id else provider_pb2.ReadResponse()

    return call


def _init_failed(error: PartialFailureError) -> bytes:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=PropertyValue.marshal_map(to_properties(error.outputs, like=error.inputs)),
            reasons=[str(error)],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    return bytes(status.SerializeToString())


_RPCS = {name: getattr(ProviderServicer, name) for name in _GUARDED}
_RPCS["Read"] = _bare_if_gone(_RPCS["Read"])
for _name, _rpc in _RPCS.items():
    setattr(DockerServicer, _name, _guarded(_rpc))
