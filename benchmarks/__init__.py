"""The benchmark: this program beside Docker Compose and an empty Pulumi program. `python -m benchmarks --help`."""
