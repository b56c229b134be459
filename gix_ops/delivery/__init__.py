"""Delivery: comments on pull requests, review stacks, releases, drift."""
