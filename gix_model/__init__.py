"""What a GIX platform is: services, settings, rules and names. Nothing here imports Pulumi or asks an engine."""

__version__ = "0.1.0"
