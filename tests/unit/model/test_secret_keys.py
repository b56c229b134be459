"""Settings are split into plain ones and the keys of secrets."""

from gix_model.secret_keys import split


def test_values_of_keys_for_secrets_are_left_out_and_their_keys_are_named() -> None:
    settings = {
        "prefix": "p",
        "registry": {"address": "registry.example.org", "password": "p4ss"},
        "defaults": {"secretEnvironment": {"KEY": "k3y"}, "environment": {"KEY": "plain"}},
        "auction": {"secretEnvironment": {"TOKEN": "t0ken", "OTHER": "0ther"}, "healthCheck": {"retries": 3}},
    }
    plain, secrets = split(settings)
    assert plain == {
        "prefix": "p",
        "registry": {"address": "registry.example.org"},
        "defaults": {"secretEnvironment": {}, "environment": {"KEY": "plain"}},
        "auction": {"secretEnvironment": {}, "healthCheck": {"retries": 3}},
    }
    assert secrets == (
        ("registry", "password"),
        ("defaults", "secretEnvironment", "KEY"),
        ("auction", "secretEnvironment", "TOKEN"),
        ("auction", "secretEnvironment", "OTHER"),
    )


def test_a_key_that_the_settings_do_not_know_is_plain() -> None:
    assert split({"unknown": {"password": "p"}}) == ({"unknown": {"password": "p"}}, ())


def test_a_value_in_place_of_the_keys_of_secrets_may_be_one() -> None:
    assert split({"registry": "p4ss", "auction": {"secretEnvironment": "t0ken"}}) == (
        {"auction": {}},
        (("registry",), ("auction", "secretEnvironment")),
    )
