"""What an entry asks for and cannot have, and what is not allowed; the rest is in ``order``, ``sizes`` and ``entry``. Pure."""

from __future__ import annotations

from desk.bots.config import BotConfig
from desk.bots.words import CannotHave, Refusal, Situation
from desk.core.alert import Alert
from desk.risk import Reason

__all__ = ["SEE_TABLE", "account_problem", "check_terms", "required_position"]

SEE_TABLE = "docs/alerts.md says what a message may ask for"
_ENTRY_MODES = {"contracts", "default", "factor", "risk_usd"}


def check_terms(alert: Alert, bot: BotConfig, now_at: Situation, *, has_goal: bool) -> None:
    """What the bot may not open, and everything that this version cannot do, by name. Raises CannotHave.

    Dropping a term would trade something else. has_goal: the position target gives the size.
    """
    names = _cannot_do(alert, now_at, has_goal)
    if names:
        raise CannotHave(Reason.NOT_SUPPORTED, f"{', '.join(names)}: not available; {SEE_TABLE}")
    symbol = now_at.symbol
    if symbol.root not in bot.symbols:
        allowed = ", ".join(sorted(bot.symbols))
        text = f"{symbol.root} is not among the bot's symbols (SYMBOLS={allowed})"
        raise CannotHave(Reason.SYMBOL_NOT_ALLOWED, text)
    if symbol.delayed and not bot.takes_delayed_data:
        text = f"{alert.symbol} is delayed data; subscribe to real-time data for this chart"
        raise CannotHave(Reason.DELAYED_DATA, text)


def _cannot_do(alert: Alert, now_at: Situation, has_goal: bool) -> list[str]:
    policy, position, mode = alert.policy, alert.position, alert.qty.mode
    cancels = bool(policy.cancel_working) and now_at.has_entries
    asked = [
        (mode not in _ENTRY_MODES, f"qty mode {mode}"),
        (has_goal and mode in {"factor", "risk_usd"}, f"qty mode {mode} beside position.size"),
        (mode == "default" and alert.qty.value is not None, "qty value with qty mode default"),
        (position is not None and position.now is None and position.size is not None, "position size without now"),
        (alert.has_breakeven and alert.breakeven is None, "breakeven, read by an older version"),
        (alert.has_trail and alert.trail is None, "trail, read by an older version"),
        (policy.contract == "require_match" and alert.contract is None, "policy require_match without a contract"),
        (policy.window is not None, "policy window"),
        (cancels, "policy cancel_working, with entries that rest beside a position"),
        (bool(alert.account_terms), "a size per account"),
    ]
    return [name for is_asked, name in asked if is_asked]


def account_problem(alert: Alert, bot: BotConfig) -> Refusal | None:
    """A message may narrow the accounts, never widen them."""
    refs = [ref for ref in alert.accounts if ref not in {"main", bot.name, str(bot.account_id)}]
    if not refs:
        return None
    return Refusal(Reason.ACCOUNT_NOT_ALLOWED, f"accounts {', '.join(refs)}: the bot trades its own account only")


def required_position(alert: Alert, now_at: Situation) -> Refusal | None:
    required = alert.policy.require_position
    has = "flat" if now_at.position_qty == 0 else "long" if now_at.position_qty > 0 else "short"
    if required in {None, "any", has}:
        return None
    text = f"the alert requires {required}, the position is {has}"
    return Refusal(Reason.REQUIRED_POSITION, text, by_position=True)
