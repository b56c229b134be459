"""Two hundred stack files with mistakes, made up: each is refused with its problems, and nothing else happens."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gix_model.problems import ConfigurationError
from tests.unit.declared import environment

NOTHING_VALID = st.one_of(
    st.text(alphabet="!?#%&$ \t{}[]<>", min_size=1, max_size=40),
    st.lists(st.dictionaries(st.just("?"), st.integers()), min_size=1, max_size=3),
    st.floats(max_value=-1, allow_nan=False, allow_infinity=False),
    st.integers(max_value=-2),
)
"""Values that no key takes, whatever its type."""

STRICT_KEYS = {
    "images": ("way", "tag", "builderBase", "platform", "push", "digests"),
    "registry": ("address", "organization"),
    "network": ("name", "subnet", "driver", "labels"),
    "ledger": ("volume", "protect", "adopt"),
    "engine": ("host",),
    "defaults": ("publish", "bindAddress", "rustBacktrace", "environment", "user", "cpus", "memory", "restart"),
    "router": ("hostPort", "metricsPort", "readOnlyRoot", "healthCheck", "stopSignal", "stopGrace", "logging"),
    "auction": ("init", "ulimits", "extraHosts", "dropCapabilities", "noNewPrivileges", "memorySwap"),
}
UNKNOWN = st.text(alphabet="abcxyz", min_size=3, max_size=8).map(lambda text: f"no{text}")


@st.composite
def mistakes(draw: st.DrawFn) -> tuple[str, Any]:
    section = draw(st.sampled_from(sorted(STRICT_KEYS)))
    key = draw(st.one_of(st.sampled_from(STRICT_KEYS[section]), UNKNOWN))
    return section, {key: draw(NOTHING_VALID)}


@settings(max_examples=200, deadline=None)
@given(st.lists(mistakes(), min_size=1, max_size=6))
def test_each_made_up_file_is_refused_with_a_problem_for_every_mistake(made_up: list[tuple[str, Any]]) -> None:
    sections: dict[str, dict[str, Any]] = {}
    for section, values in made_up:
        sections.setdefault(section, {}).update(values)
    with pytest.raises(ConfigurationError) as caught:
        environment({f"gix:{section}": json.dumps(values) for section, values in sections.items()})
    told = str(caught.value)
    for section, values in sections.items():
        for key in values:
            assert f"gix:{section}.{key}" in told
    assert all(problem.limit and problem.way_out for problem in caught.value.problems)
