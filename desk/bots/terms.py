"""What an entry asks for and cannot have, and what is not allowed; the rest is in ``order``, ``sizes`` and ``entry``. Pure."""

from __future__ import annotations

from desk.bots.config import BotConfig
from desk.bots.sizes import COMPUTED
from desk.bots.words import CannotHave, Refusal, Situation
from desk.core.alert import Alert
from desk.core.errors import UnknownSymbol
from desk.core.symbols import parse_symbol
from desk.risk import Reason

__all__ = ["SEE_TABLE", "account_problem", "check_terms", "required_position"]

SEE_TABLE = "docs/alerts.md says what a message may ask for"
_ENTRY_MODES = {"contracts", "default", *COMPUTED}


def check_terms(alert: Alert, bot: BotConfig, now_at: Situation, *, has_goal: bool) -> None:
    """What the bot may not open, and everything that this version cannot do, by name. Raises CannotHave.

    Dropping a term would trade something else. has_goal: the position target gives the size.
    """
    if now_at.not_listed is not None:
        raise CannotHave(Reason.UNKNOWN_SYMBOL, now_at.not_listed)
    names = _cannot_do(alert, bot, now_at, has_goal)
    if names:
        raise CannotHave(Reason.NOT_SUPPORTED, f"{', '.join(names)}: not available; {SEE_TABLE}")
    symbol = now_at.symbol
    if symbol.root not in bot.symbols:
        allowed = ", ".join(sorted(bot.symbols)) or "none"
        text = f"{symbol.root} is not among the symbols of the bot {bot.name} ({allowed})"
        raise CannotHave(Reason.SYMBOL_NOT_ALLOWED, text)
    if symbol.delayed and not bot.takes_delayed_data:
        text = f"{alert.symbol} is delayed data; subscribe to real-time data for this chart"
        raise CannotHave(Reason.DELAYED_DATA, text)


def _cannot_do(alert: Alert, bot: BotConfig, now_at: Situation, has_goal: bool) -> list[str]:
    policy, position, mode = alert.policy, alert.position, alert.qty.mode
    has_own_size = bot.sizing.mode in {"fixed", "risk_usd"}  # whatever the message computes is said and not used
    cancels = bool(policy.cancel_working) and now_at.has_entries
    asked = [
        (mode not in _ENTRY_MODES, f"qty mode {mode}"),
        (has_goal and mode in COMPUTED and not has_own_size, f"qty mode {mode} beside position.size"),
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
    """A message may narrow the accounts, never widen them; and it leaves alone what another bot of its account trades."""
    refs = [ref for ref in alert.accounts if ref not in {"main", bot.name, str(bot.account_id)}]
    if refs:
        return Refusal(Reason.ACCOUNT_NOT_ALLOWED, f"accounts {', '.join(refs)}: the bot trades its own account only")
    root = _root(alert.symbol) if bot.others_symbols else None
    if root in bot.others_symbols:
        text = (
            f"{root} is traded by another bot of this account, and {bot.name} leaves it alone; post to that one's URL"
        )
        return Refusal(Reason.SYMBOL_NOT_ALLOWED, text)
    return None


def _root(symbol: str | None) -> str | None:
    try:
        return None if symbol is None else parse_symbol(symbol).root
    except UnknownSymbol:
        return None  # whoever looks for the contract says so


def required_position(alert: Alert, now_at: Situation) -> Refusal | None:
    required = alert.policy.require_position
    has = "flat" if now_at.position_qty == 0 else "long" if now_at.position_qty > 0 else "short"
    if required in {None, "any", has}:
        return None
    text = f"the alert requires {required}, the position is {has}"
    return Refusal(Reason.REQUIRED_POSITION, text, by_position=True)
