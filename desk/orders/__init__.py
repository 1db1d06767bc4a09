"""Level 1: orders and plans, pure. How an order's state may change, and how everything with several steps goes on.

Holds ``lifecycle`` (the order state table), ``reducing`` (the permission to lessen and to protect; only this room makes one),
``enter``, ``group``, ``either``, ``touch``, ``reverse``, ``exit``, ``flatten``, ``protect``, ``place``, ``reduce``, ``amend``,
``care`` (one file per plan), ``move`` (what a plan's step asks for).
Must not live here: anything that opens exposure, risk, I/O. Start with ``exit.py``.
"""

from desk.orders.lifecycle import advance, leg_of, settle
from desk.orders.move import Move, PlaceView, Reading, Timer
from desk.orders.reducing import CancelOrder, ClosePart, ClosePosition, ModifyOrder, PlaceStop, Reducing

__all__ = [
    "CancelOrder",
    "ClosePart",
    "ClosePosition",
    "ModifyOrder",
    "Move",
    "PlaceStop",
    "PlaceView",
    "Reading",
    "Reducing",
    "Timer",
    "advance",
    "leg_of",
    "settle",
]
