"""Channels of gRPC to a published port, with or without TLS."""

import grpc  # type: ignore[import-untyped]  # it ships no types

from benchmarks.jobs import channel_options


def channel(address: tuple[str, int], seconds: int, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """A channel whose calls may take `seconds`. With `credentials`, it uses TLS."""
    host, port = address
    options = channel_options(seconds)
    if credentials is None:
        return grpc.insecure_channel(f"{host}:{port}", options=options)
    return grpc.secure_channel(f"{host}:{port}", credentials, options=options)
