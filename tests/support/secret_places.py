"""The configuration keys whose values must be secret."""

from gix_model.catalog import CATALOG

VARIABLE = "A_NAME"
"""A variable in each `secretEnvironment`."""

SECRET_PLACES: tuple[tuple[str, ...], ...] = (
    ("registry", "password"),
    *((section, "secretEnvironment", VARIABLE) for section in ("defaults", *CATALOG)),
)
"""Each is a path below `gix:`. A unit test checks that every other key refuses a secret."""

SECRET_OR_FILE_PLACES: tuple[tuple[str, ...], ...] = tuple(("edge", key) for key in ("certificate", "key", "clientCa"))
"""Their values may be secret, or the path of a file."""
