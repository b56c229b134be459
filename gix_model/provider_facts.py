"""What the docker provider (pulumi-docker 5.2.0) calls its resources, and how it records their inputs.

The documentation of the provider does not say most of this. `docs/provider.md` has the measurements.
`gix_model.container_inputs` says how the provider applies changes of a container's inputs.
"""

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from gix_model import units

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/image:Image"
NETWORK = "docker:index/network:Network"
PROVIDER = "pulumi:providers:docker"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
SECRET = "docker:index/secret:Secret"  # noqa: S105 - a type of resource
SERVICE = "docker:index/service:Service"
SERVICE_CONFIG = "docker:index/serviceConfig:ServiceConfig"
VOLUME = "docker:index/volume:Volume"

KINDS = {
    CONTAINER: "container",
    IMAGE: "image",
    NETWORK: "network",
    PROVIDER: "connection",
    REMOTE_IMAGE: "image",
    SECRET: "secret",
    SERVICE: "service",
    SERVICE_CONFIG: "config",
    VOLUME: "volume",
}
"""What each type of resource is called in texts."""

CAPABILITY_PREFIX = "CAP_"
"""The provider records a capability with this prefix, also if it is stated without it."""


def recorded_processors(count: float) -> str:
    """Processors as the provider records them: 2 is `2.0`, 1.5 is `1.5`, 10 is `10.`.

    In any other form, each update would replace the container.

    Raises ValueError if the provider records another number, as it does for 0.05. Its text is that number.
    """
    exact = Decimal(str(count))
    digits = f"{exact:.9f}"
    # The provider takes a number with nine zeros among its digits for a round one.
    is_round = digits.count("0") == 9  # noqa: PLR2004
    recorded = f"{exact.quantize(Decimal('0.1'), ROUND_HALF_UP)}" if is_round else digits.rstrip("0")
    if Decimal(recorded) != exact:
        raise ValueError(recorded)
    return recorded


def recorded_time(time: timedelta) -> str:
    """A time of a health check as the provider records it: 90 s are `1m30s`, 1.5 s are `1.5s`.

    In any other form, each refresh would find a difference.
    """
    return units.format_duration(time)


def recorded_start_period(time: timedelta) -> str:
    """A start period as the provider records it. None at all is `1ms`: for `0s` the engine takes the image's own."""
    return recorded_time(time or timedelta(milliseconds=1))
