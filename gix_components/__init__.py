"""The components of the GIX platform on Docker: images, network, ledger volume and services, and what they are told."""

__version__ = "0.1.0"
