"""The packages of the wheel: every folder with code, and imports that follow the layers."""

import ast
import tomllib

from tests.unit.declared import PACKAGES, PROGRAM


def test_every_folder_with_code_is_in_the_package() -> None:
    packages = tomllib.loads((PROGRAM / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {file.parent for name in PACKAGES for file in (PROGRAM / name).rglob("*.py")}
    found = {".".join(folder.relative_to(PROGRAM).parts) for folder in folders}
    assert set(packages) == found | {"gix_components.docker"}


def test_no_module_below_the_components_imports_pulumi() -> None:
    importing = {
        str(file.relative_to(PROGRAM))
        for package in ("gix_engine", "gix_ledger", "gix_model", "gix_ops")
        for file in (PROGRAM / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in imported(node)
        if name.split(".")[0] in {"pulumi", "pulumi_docker", "gix_components"}
    }
    assert importing == set()


def imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports."""
    match node:
        case ast.Import(names=names):
            return [each.name for each in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
