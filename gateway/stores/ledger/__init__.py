"""The ledger: one row a request, written before a vendor is asked and settled after."""

from gateway.stores.database import LedgerAway
from gateway.stores.ledger.entries import Entry, settled
from gateway.stores.ledger.usage import DIMENSIONS, UsageRow, usage
from gateway.stores.ledger.writer import Ledger

__all__ = ["DIMENSIONS", "Entry", "Ledger", "LedgerAway", "UsageRow", "settled", "usage"]
