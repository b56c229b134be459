"""The places of a configuration that must hold a secret, where they hold anything."""

VARIABLE = "A_NAME"
"""A variable in each `secretEnvironment`."""

SECRET_PLACES: tuple[tuple[str, ...], ...] = (
    ("registry", "password"),
    *((section, "secretEnvironment", VARIABLE) for section in ("defaults", "router", "auction", "enclave")),
)
"""Each as steps below `gix:`. A unit test tries every other place of the settings' models, which refuses a secret."""
