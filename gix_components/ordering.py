"""An order between resources that Pulumi's state does not record."""

from collections.abc import Collection
from typing import Any

import pulumi


async def value_after(outputs: Collection[pulumi.Output[Any]], value: str) -> str:
    """Wait for `outputs`, then return `value`: an input of a resource that must not change before them.

    As dependencies in the state, their resources would be protected with a protected resource, and a component would
    stand for its children.
    """
    for each in outputs:
        await each.future()
    return value
