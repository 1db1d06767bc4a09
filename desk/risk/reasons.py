"""Every reason for which an alert or an order is not carried out. The code goes into journal and answer, the text to a person."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    # the message
    UNREADABLE = "UNREADABLE"  # no alert could be read out of the bytes
    ID_CONFLICT = "ID_CONFLICT"  # the sender's id came before with other content
    UNKNOWN_BOT = "UNKNOWN_BOT"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    NOT_SUPPORTED = "NOT_SUPPORTED"  # understood, but this version cannot honour it; never silently dropped
    AMBIGUOUS_SIDE = "AMBIGUOUS_SIDE"  # a bare buy or sell: entry or exit?
    BAD_SIZE = "BAD_SIZE"
    BAD_PRICE = "BAD_PRICE"  # a price that is missing, or on the wrong side
    NO_STOP = "NO_STOP"  # an entry without a protective stop
    STOP_TOO_CLOSE = "STOP_TOO_CLOSE"  # under the venue's 4 ticks (gateway reference 3.6)
    STOP_TOO_FAR = "STOP_TOO_FAR"
    TARGET_TOO_CLOSE = "TARGET_TOO_CLOSE"
    WRONG_SIDE = "WRONG_SIDE"  # a stop, target or entry price on the wrong side of the entry or the market
    TOO_OLD = "TOO_OLD"
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    # the bot and its account
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    ACCOUNT_NOT_ALLOWED = "ACCOUNT_NOT_ALLOWED"
    REQUIRED_POSITION = "REQUIRED_POSITION"  # policy.require_position is not met
    MAX_POSITION = "MAX_POSITION"
    CONTRACT_INACTIVE = "CONTRACT_INACTIVE"
    CONTRACT_MISMATCH = "CONTRACT_MISMATCH"
    DELAYED_DATA = "DELAYED_DATA"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"  # the gateway says canTrade = false
    # the moment
    NOT_RECONCILED = "NOT_RECONCILED"
    OPPOSITE_POSITION = "OPPOSITE_POSITION"
    OPPOSITE_ENTRY = "OPPOSITE_ENTRY"  # entries under way on the other side would close this one, and leave both stops
    ENTRY_IN_FLIGHT = "ENTRY_IN_FLIGHT"
    EXIT_RUNNING = "EXIT_RUNNING"
    UNPROTECTED = "UNPROTECTED"  # a position without a stop comes first
    ORPHAN_ORDERS = "ORPHAN_ORDERS"  # legs of an ended position still work: they would open another one
    NO_QUOTE = "NO_QUOTE"  # its prices need one that is younger than 2 s
    POSITION_BRACKETS = "POSITION_BRACKETS"  # the account refuses stops in the entry: a switch on the platform
    STOPPING = "STOPPING"
    JOURNAL_DOWN = "JOURNAL_DOWN"
    BUDGET_LOW = "BUDGET_LOW"  # the requests that are left in the gateway's window are kept for exits
    # what the bot was told, and what its sender said before
    SIDE_NOT_ALLOWED = "SIDE_NOT_ALLOWED"  # the bot opens on the other side only
    DISARMED = "DISARMED"  # by a person
    PAUSED = "PAUSED"  # by a message or by a person
    HALTED = "HALTED"  # a message was lost, and the bot stops then
    GAP = "GAP"  # a message was lost: until its sender is flat the bot only reduces
    OUT_OF_ORDER = "OUT_OF_ORDER"  # waits a moment for the message in between
    SUPERSEDED = "SUPERSEDED"  # a newer message of the same sender counts
    SETTLING = "SETTLING"  # waits until what runs at its place has ended
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    COOLDOWN = "COOLDOWN"
    DEBOUNCED = "DEBOUNCED"
    TOO_MANY_ENTRIES = "TOO_MANY_ENTRIES"
    PRICE_BOUND = "PRICE_BOUND"  # the message's prices are too far from the market
    # orders and legs
    NO_SUCH_ORDER = "NO_SUCH_ORDER"  # not known, or over
    NOT_OURS = "NOT_OURS"  # made by hand or by another tool: only a person may change it
    PROTECTS = "PROTECTS"  # without it the position would not be protected
    ADDS_RISK = "ADDS_RISK"  # a stop away from the market, a larger quantity
    NO_POSITION = "NO_POSITION"
    NO_LEG = "NO_LEG"  # the position has no such stop or target
    # nothing to do
    DUPLICATE = "DUPLICATE"
    ALREADY_THERE = "ALREADY_THERE"
    NOTHING_TO_EXIT = "NOTHING_TO_EXIT"
    NOTHING_TO_CANCEL = "NOTHING_TO_CANCEL"
    NOTED = "NOTED"
    NO_ORDER = "NO_ORDER"  # plain text: kept, and nobody can say what it asks for
    DRY_RUN = "DRY_RUN"
    SHADOW = "SHADOW"
