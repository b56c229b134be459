"""What a machine needs that reaches package registries and nothing else."""
