"""What an update does to a service, and how long the service does not answer."""

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What an update does to a service."""

    UNTOUCHED = "untouched"
    RECORDED = "recorded, not applied"
    """The provider records the change in the state, and the container stays as it is."""
    STARTED = "started again"
    """The container has stopped and publishes no ports. The provider starts the same container."""
    UPDATED = "updated live"
    RESTARTED_IF_IMAGE_CHANGES = "restarted if its image changes"
    """The update builds or pulls its image. Only then is it known whether the image has changed."""
    RESTARTED = "restarted"
    REPLACED_IF_IMAGE_CHANGES = "replaced without interruption if its image changes"
    REPLACED = "replaced without interruption"
    """The new container starts before the old one is deleted: `gix:rollout.strategy: start-first`."""
    CREATED = "created"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """The time from the stop of the old container until the new one is healthy."""

    usual_seconds: int
    at_most_seconds: int
