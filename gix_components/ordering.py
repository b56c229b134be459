"""An order between resources that Pulumi's state does not record."""

from collections.abc import Collection
from typing import Any

import pulumi


async def once(after: Collection[pulumi.Output[Any]], value: str) -> str:
    """Wait for `after`, then return `value`, as an input of a resource that must not change before.

    As dependencies in the state, all of `after` would be protected with a protected resource, and a component would
    stand for its children.
    """
    for each in after:
        await each.future()
    return value
