"""The errors that the user reads."""

from collections.abc import Mapping
from typing import Any


class PluginError(Exception):
    """What is wrong and the fix, as one paragraph."""


class PartialFailureError(PluginError):
    """The engine has the object, but it did not start or was not updated: Pulumi records it with this error.

    Attributes:
        resource_id: the engine's id of the object.
        outputs: its known outputs.
        inputs: the inputs, which mark the secrets that the outputs must keep secret.

    """

    def __init__(self, reason: str, *, resource_id: str, outputs: dict[str, Any]) -> None:
        super().__init__(reason)
        self.resource_id = resource_id
        self.outputs = outputs
        self.inputs: Mapping[str, Any] = {}


def readable(error: BaseException) -> str:
    """Describe an error in one paragraph, without a traceback."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        text = explanation.decode(errors="replace") if isinstance(explanation, bytes) else str(explanation)
        return f"Error response from daemon: {text.strip()}"
    if isinstance(error, PluginError):
        return str(error)
    return f"{type(error).__name__}: {error}".strip().removesuffix(":")
