"""Imports parts of Pulumi's SDK that the plugin does not use only when one of their attributes is needed.

`import pulumi` also imports the automation API and dynamic providers. They take a third of the plugin's start-up, for
which every `pulumi up` and `pulumi preview` waits.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final

_UNUSED: Final = frozenset({"pulumi.automation", "pulumi.dynamic", "pulumi.policy"})


class _LazyFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in _UNUSED else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer_unused_imports() -> None:
    """Delay the imports above until one of their attributes is used."""
    sys.meta_path.insert(0, _LazyFinder())
