"""Backup and restore of a ledger's volume. `LedgerLocation` names the volume; stacks and Pulumi are not known here."""
