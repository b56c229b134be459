"""Messages to the user of Pulumi, shown at the resource that they are about."""

import contextlib
from dataclasses import dataclass
from functools import cached_property

import grpc  # type: ignore[import-untyped]  # it ships no types
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class EngineLog:
    """The Pulumi engine's log."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    @cached_property
    def _stub(self) -> engine_pb2_grpc.EngineStub:
        return engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine_address))

    def send(self, message: str, *, urn: str, severity: "engine_pb2.LogSeverity.ValueType", ephemeral: bool) -> None:
        """Send one message. Does nothing if the engine no longer listens."""
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        with contextlib.suppress(grpc.RpcError):
            self._stub.Log(request)


@dataclass(frozen=True)
class Log:
    """The log of one resource."""

    engine: EngineLog
    urn: str

    def status(self, message: str) -> None:
        """Show the current progress. The next message replaces it."""
        self.engine.send(message, urn=self.urn, severity=engine_pb2.INFO, ephemeral=True)

    def note(self, message: str) -> None:
        """Show an information message."""
        self.engine.send(message, urn=self.urn, severity=engine_pb2.INFO, ephemeral=False)

    def caution(self, message: str) -> None:
        """Show a warning."""
        self.engine.send(message, urn=self.urn, severity=engine_pb2.WARNING, ephemeral=False)
