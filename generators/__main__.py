"""Writes every generated file."""

from pathlib import Path

from generators import arguments, dockerfiles, package_schema, readme, reference, schema

PROGRAM = Path(__file__).parents[1]


def main() -> None:
    """Write two files in docs, two in gix_components, those in infra/docker, and parts of Pulumi.yaml and README.md."""
    (PROGRAM / "docs/configuration.md").write_text(reference.markdown())
    (PROGRAM / "docs/stack-file.schema.json").write_text(schema.text())
    (PROGRAM / "gix_components/arguments.py").write_text(arguments.python())
    (PROGRAM / "gix_components/package_schema.json").write_text(package_schema.text())
    for name, text in dockerfiles.files().items():
        (PROGRAM / dockerfiles.DIRECTORY / name).write_text(text)
    project = PROGRAM / "Pulumi.yaml"
    project.write_text(reference.project_file(project.read_text()))
    introduction = PROGRAM / "README.md"
    introduction.write_text(readme.updated(introduction.read_text()))


if __name__ == "__main__":
    main()
