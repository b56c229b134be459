"""The configuration keys whose values must be secret."""

VARIABLE = "A_NAME"
"""A variable in each `secretEnvironment`."""

SECRET_PLACES: tuple[tuple[str, ...], ...] = (
    ("registry", "password"),
    *((section, "secretEnvironment", VARIABLE) for section in ("defaults", "router", "auction", "enclave")),
)
"""Each is a path below `gix:`. A unit test checks that every other key refuses a secret."""
