"""Parts of Pulumi's SDK that a plugin never uses, imported only if somebody does use them after all.

`import pulumi` brings along the automation API and dynamic providers, which take a third of the plugin's start-up, and
every `pulumi up` and `pulumi preview` waits for that.
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
    """Put off the imports above until an attribute of theirs is asked for."""
    sys.meta_path.insert(0, _LazyFinder())
