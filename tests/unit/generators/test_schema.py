"""The JSON schema of a stack file accepts what the program accepts, and refuses clear mistakes."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from generators import schema
from tests.unit.declared import PROGRAM

SEALED = {"secure": "v1:abc"}
SCHEMA = schema.stack_file()


def problems(config: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors({"config": config})]


def test_the_schema_in_the_documentation_is_up_to_date() -> None:
    assert (PROGRAM / "docs/stack-file.schema.json").read_text() == schema.text(), "run: make generate"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.text()))


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_schema_accepts_the_stack_files_of_the_project(stack: str) -> None:
    assert problems(yaml.safe_load((PROGRAM / f"Pulumi.{stack}.yaml").read_text())["config"]) == []


@pytest.mark.parametrize(
    "config",
    [
        {"gix:auction": {"secretEnvironment": {"TOKEN": SEALED}}},
        {"gix:registry": {"address": "ghcr.io", "username": "ci", "password": SEALED}},
        {"gix:router": {"environment": {"WORKERS": 4, "TLS": True}, "cpus": "1.5", "hostPort": 6001}},
        {"pulumi:disable-default-providers": ["*"]},
    ],
)
def test_the_schema_accepts_what_the_program_accepts(config: dict[str, Any]) -> None:
    assert problems(config) == []


@pytest.mark.parametrize(
    "config",
    [
        {"gix:roter": {}},
        {"gix:router": {"hostport": 6001}},
        {"gix:router": {"hostPort": 70_000}},
        {"gix:images": {"failOn": "severe"}},
        {"gix:registry": {"password": "in the clear"}},
        {"gix:auction": {"secretEnvironment": {"TOKEN": "in the clear"}}},
    ],
)
def test_the_schema_refuses_what_the_program_refuses(config: dict[str, Any]) -> None:
    assert problems(config) != []
