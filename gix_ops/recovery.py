"""Ends what a backup or restore of a stack left behind when it was cut off."""

from gix_ledger import recovery
from gix_ops import ledger
from gix_ops.stack import Stack


def recover(stack: Stack) -> list[str]:
    """Bring the stack's ledger to order; say what was done. Raises StackError or LedgerError where it can't be."""
    return recovery.recover(ledger.of(stack))
