"""The typed dictionaries that are generated from the models are up to date."""

from generators import arguments
from tests.unit.declared import PROGRAM


def test_the_typed_dictionaries_match_the_models() -> None:
    written = (PROGRAM / "gix_components" / "arguments.py").read_text()
    assert written == arguments.python(), "run: make generate"
