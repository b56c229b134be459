"""The catalog is complete, and no two services share what must be their own."""

from typing import get_args

import pytest

from gix_model.catalog import CATALOG, ServiceName
from gix_model.settings import ServiceSettings, StackSettings


def test_the_catalog_has_every_service() -> None:
    assert tuple(CATALOG) == get_args(ServiceName)


def test_every_service_has_its_key_in_the_settings_and_no_other_key_is_a_service_s() -> None:
    keys = [name for name, field in StackSettings.model_fields.items() if field.annotation is ServiceSettings]
    assert keys == list(CATALOG)


@pytest.mark.parametrize("fact", ["port", "target", "binary", "title"])
def test_no_two_services_share(fact: str) -> None:
    facts = [getattr(spec, fact) for spec in CATALOG.values()]
    assert len(set(facts)) == len(facts)


def test_only_one_service_keeps_the_ledger() -> None:
    assert [spec.name for spec in CATALOG.values() if spec.keeps_ledger] == ["auction"]
