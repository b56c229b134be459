"""An order between resources that Pulumi's state does not record."""

import asyncio
from collections.abc import Collection
from typing import Any, TypeVar, cast

import pulumi

Value = TypeVar("Value")


async def value_after(outputs: Collection[pulumi.Output[Any]], value: Value) -> Value:
    """Wait for `outputs`, then return `value`: an input of a resource that must not change before them.

    As dependencies in the state, their resources would be protected with a protected resource, and a component would
    stand for its children.
    """
    for each in outputs:
        await each.future()
    return value


def output_after(outputs: Collection[pulumi.Output[Any]], output: pulumi.Output[Value]) -> pulumi.Output[Value]:
    """The output itself, but known only after `outputs`."""

    async def wait() -> Value:
        # In a preview, an unknown value is None.
        return await value_after(outputs, cast("Value", await output.future()))

    return pulumi.Output(output.resources(), asyncio.ensure_future(wait()), output.is_known(), output.is_secret())
