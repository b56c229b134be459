"""Care for what is in a ledger's volume: backups of it, and the way back.

Told by plain values (`Ledger`); knows nothing of stacks or of Pulumi, so that the program's own hooks and gixctl do the
same thing.
"""
