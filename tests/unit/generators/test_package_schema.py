"""The schema of the package for all Pulumi languages has every key of a stack file and every output of a stack."""

from generators import package_schema, schema
from gix_model.outputs import StackOutputs
from gix_model.settings import StackSettings
from tests.unit.declared import PROGRAM

PACKAGE = package_schema.package()
[PLATFORM] = PACKAGE["resources"].values()
TYPES = PACKAGE["types"]


def test_the_schema_in_the_package_is_up_to_date() -> None:
    assert (PROGRAM / "gix_components/package_schema.json").read_text() == package_schema.text(), "run: make generate"


def test_the_platform_takes_the_keys_of_a_stack_file_and_has_the_outputs_of_a_stack() -> None:
    assert set(PLATFORM["inputProperties"]) == {field.alias for field in StackSettings.model_fields.values()}
    assert "requiredInputs" not in PLATFORM
    assert set(PLATFORM["properties"]) == {field.alias for field in StackOutputs.model_fields.values()}


def test_each_type_has_the_keys_of_its_model() -> None:
    for name, definition in schema.stack_file()["$defs"].items():
        known = TYPES[f"gix:docker:{name.removesuffix('Settings')}"]["properties"]
        assert set(known) == set(definition["properties"]), name


def test_every_reference_leads_to_a_type() -> None:
    assert {f"#/types/{name}" for name in TYPES} >= set(references(PACKAGE))


def test_secrets_and_values_that_a_file_may_write_in_several_ways_are_text() -> None:
    service = TYPES["gix:docker:Service"]["properties"]
    assert service["secretEnvironment"]["additionalProperties"] == {"type": "string"}
    assert service["environment"]["additionalProperties"] == {"type": "string"}
    assert service["cpus"]["type"] == "number"
    password = TYPES["gix:docker:Registry"]["properties"]["password"]
    assert (password["type"], password["secret"]) == ("string", True)


def test_a_description_says_the_values_and_the_default() -> None:
    way = TYPES["gix:docker:Image"]["properties"]["way"]
    assert way["type"] == "string"
    assert "One of: multi-stage, individual, registry." in way["description"]
    assert 'Default: "multi-stage".' in way["description"]


def references(node: object) -> list[str]:
    if isinstance(node, list):
        return [each for item in node for each in references(item)]
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [each for item in node.values() for each in references(item)]
    return []
