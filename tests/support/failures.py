"""Updates that must fail."""

import pytest

from tests.support.pulumi_cli import PulumiError
from tests.support.stack_under_test import StackUnderTest

_SCREEN_LINES = 60


def failure(stack: StackUnderTest) -> str:
    """Run an `up` that must fail. Its diagnostics have no traceback and fit on a screen.

    Returns the diagnostics.
    """
    with pytest.raises(PulumiError) as caught:
        stack.up()
    text = str(caught.value)
    # The outputs of the stack follow where some of them change.
    diagnostics = text[text.index("Diagnostics:") :].partition("\nOutputs:")[0]
    assert "Traceback" not in text
    assert len(diagnostics.splitlines()) <= _SCREEN_LINES, diagnostics
    return diagnostics
