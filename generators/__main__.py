"""Writes every generated file."""

from pathlib import Path

from generators import arguments, reference, schema

PROGRAM = Path(__file__).parents[1]


def main() -> None:
    """Write docs/configuration.md, docs/stack-file.schema.json, gix_components/arguments.py and Pulumi.yaml's keys."""
    (PROGRAM / "docs/configuration.md").write_text(reference.markdown())
    (PROGRAM / "docs/stack-file.schema.json").write_text(schema.text())
    (PROGRAM / "gix_components/arguments.py").write_text(arguments.python())
    project = PROGRAM / "Pulumi.yaml"
    project.write_text(reference.project_file(project.read_text()))


if __name__ == "__main__":
    main()
