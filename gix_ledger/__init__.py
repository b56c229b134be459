"""Backups of a ledger's volume, and restores. A `Ledger` says where it is; nothing here knows stacks or Pulumi."""
