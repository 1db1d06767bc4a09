"""Level 1: may an opening order leave the house? Limits, every reason to say no, and the one function that says yes.

Reads an ``AccountView`` that is handed in; computes no P&L, does no I/O, and is never asked about a cancel or a close.
``reasons`` lists every denial; ``approve`` makes the only ``Approved`` there is. Start with ``approve.py``.
"""

from desk.risk.approve import AccountView, Approved, Denied, Limits, approve
from desk.risk.reasons import Reason

__all__ = ["AccountView", "Approved", "Denied", "Limits", "Reason", "approve"]
