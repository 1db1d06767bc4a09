"""What a message says of its sender's own position, before and after, and which of two policies is the tighter one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from desk.bots.sizes import whole
from desk.core.alert import Alert, AlertPosition, AlertQty, PositionSide

__all__ = ["Step", "signed_size", "step_of", "tighter_gap", "tighter_opposite", "tighter_same", "with_contracts"]

_SIGNS = {PositionSide.LONG: 1, PositionSide.SHORT: -1, PositionSide.FLAT: 0}
_OPPOSITE = ("reverse", "close_only", "ignore", "reject")  # from what opens most to what does least
_SAME = ("add", "ignore", "reject")
_ON_GAP = ("follow_target", "reduce_only", "halt_bot")


@dataclass(frozen=True, slots=True)
class Step:
    """The sender's position before and after, in signed contracts (P and N of TradingView reference 8)."""

    prev: int
    now: int

    @property
    def is_partial_exit(self) -> bool:
        return self.prev * self.now > 0 and abs(self.now) < abs(self.prev)

    @property
    def is_add(self) -> bool:
        return self.prev * self.now > 0 and abs(self.now) > abs(self.prev)

    @property
    def contracts(self) -> int:
        """To trade by this step alone: the difference, and for a reversal what the other side has afterwards."""
        return abs(self.now) if self.prev * self.now < 0 else abs(self.now - self.prev)

    def __str__(self) -> str:
        return f"the sender went from {self.prev:+d} to {self.now:+d}"


def signed_size(side: PositionSide | None, size: Decimal | None) -> int | None:
    """Whole signed contracts, 0 when flat; None: the message does not say it."""
    if side is None:
        return None
    if side is PositionSide.FLAT:
        return 0
    contracts = None if size is None else whole(size)
    return None if contracts is None or contracts < 1 else contracts * _SIGNS[side]


def step_of(position: AlertPosition | None) -> Step | None:
    """None: the message lacks one of the two, or their sizes."""
    if position is None:
        return None
    prev, now = signed_size(position.prev, position.prev_size), signed_size(position.now, position.size)
    return None if prev is None or now is None else Step(prev, now)


def with_contracts(alert: Alert, qty: int) -> Alert:
    """The same message with ``qty`` contracts, unless it asks for a size of another kind (risk, factor)."""
    if alert.qty.mode not in {"contracts", "default"}:
        return alert
    size = AlertQty(mode="contracts", value=Decimal(qty), max=alert.qty.max)
    return msgspec.structs.replace(alert, qty=size)


def tighter_opposite(message: str | None, bot: str | None) -> str | None:
    """What is done about a position on the other side: the message's word, unless the bot's is tighter. None: neither says."""
    return _tighter(message, bot, _OPPOSITE)


def tighter_same(message: str | None, bot: str | None) -> str | None:
    return _tighter(message, bot, _SAME)


def tighter_gap(message: str | None, bot: str) -> str:
    return _tighter(message, bot, _ON_GAP) or bot


def _tighter(message: str | None, bot: str | None, order: tuple[str, ...]) -> str | None:
    if message is None or message not in order:  # what is no choice is refused by name elsewhere
        return bot if message is None else message
    return message if bot is None else max(message, bot, key=order.index)
