"""Backups of a ledger's volume, and restores. A `LedgerLocation` says where it is. No stacks, no Pulumi."""
