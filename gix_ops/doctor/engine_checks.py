"""The doctor's checks of the engine: whether it answers, its clock, its disk, and what can be removed from it."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker.errors import APIError

from gix_engine import collisions, observed_state
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, skipped, warning
from gix_ops.errors import StackError

CLOCK_TOLERANCE_SECONDS = 5.0
"""Largest difference between the engine's clock and this machine's."""
WORTH_PRUNING_BYTES = 2**30
"""Reclaimable space of one kind above which there is a warning."""
LITTLE_FREE_DISK_BYTES = 2 * collisions.LEAST_FREE_DISK_BYTES
"""Free space on the engine's disk below which there is a warning."""

_DISK_USAGE_WITHIN_SECONDS = 20.0
_DISK_USAGE_AGAIN_SECONDS = 0.2


def engine(facts: Facts) -> Iterator[Finding]:
    """Whether the stack's engine answers, its version and its machine."""
    where = facts.engine_settings.host or os.environ.get("DOCKER_HOST") or "this machine's socket"
    try:
        client = facts.client
    except StackError as error:
        yield fault(
            str(error),
            "start it (systemctl start docker, or: make setup), or set gix:engine.host to an engine that runs",
        )
        return
    info = client.info()
    yield ok(f"{info['ServerVersion']} at {where}, {info['NCPU']} processors, {_size(info['MemTotal'])} of memory")


def clock(facts: Facts) -> Iterator[Finding]:
    """Whether the engine's clock and this machine's agree."""
    before = datetime.now(UTC)
    system_time = facts.client.info()["SystemTime"]
    after = datetime.now(UTC)
    theirs = datetime.fromisoformat(system_time)
    apart = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    if apart > CLOCK_TOLERANCE_SECONDS:
        yield warning(
            f"the engine's clock is {apart:.0f} s from this machine's: times in logs and ledger are wrong, and "
            "TLS may fail",
            "timedatectl set-ntp true, on the machine whose clock is wrong",
        )
    else:
        yield ok(f"the engine's clock and this machine's are within {CLOCK_TOLERANCE_SECONDS:g} s")


def disk(facts: Facts) -> Iterator[Finding]:
    """The free space on the engine's disk, and the space that can be reclaimed."""
    root = Path(facts.client.info()["DockerRootDir"])
    if facts.is_local and root.exists():
        free = shutil.disk_usage(root).free
        text = f"{_size(free)} free at {root}"
        if free < LITTLE_FREE_DISK_BYTES:
            yield warning(text, "docker system df shows what uses it")
        else:
            yield ok(text)
    else:
        yield skipped("the engine does not run on this machine: its free disk space cannot be read")
    used = _disk_usage(facts)
    kept = sum(each["Size"] for each in used.get("BuildCache") or [] if not (each["InUse"] or each["Shared"]))
    yield _reclaimable("build cache", kept, "docker builder prune (the next build takes longer)")
    untagged = sum(
        each["Size"] - max(each["SharedSize"], 0)
        for each in used.get("Images") or []
        if not each["RepoTags"] and not each["Containers"]
    )
    yield _reclaimable("images of earlier builds without a tag", untagged, "docker image prune")


def _disk_usage(facts: Facts) -> dict[str, Any]:
    """What `docker system df` shows. Before version 23 an engine refuses a second request while it answers one."""
    deadline = time.monotonic() + _DISK_USAGE_WITHIN_SECONDS
    while True:
        try:
            return facts.client.df()
        except APIError as error:
            if "already running" not in str(error.explanation) or time.monotonic() > deadline:
                raise
        time.sleep(_DISK_USAGE_AGAIN_SECONDS)


def _reclaimable(what: str, size: int, fix: str) -> Finding:
    text = f"{_size(size)} reclaimable: {what}"
    return warning(text, fix) if size > WORTH_PRUNING_BYTES else ok(text)


def old_tags(facts: Facts) -> Iterator[Finding]:
    """Earlier tags of the stack's images."""
    services = facts.up.outputs.services.values()
    named = {each.image for each in services}
    repositories = {name.rpartition("@")[0] or name.rpartition(":")[0] for name in named}
    used = {each.image_id for each in facts.observed.containers}
    old = sorted(
        tag
        for image in observed_state.observe_images(facts.client)
        for tag in image.tags
        if tag.rpartition(":")[0] in repositories and tag not in named and image.id not in used
    )
    if old:
        yield warning(
            f"earlier tags of the stack's images that no container uses: {', '.join(old)}",
            f"docker rmi {' '.join(old)}",
        )
    else:
        yield ok("no earlier tags of the stack's images")


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
