"""AutoView's short keys in our own words, where they are clear for futures (TradingView reference 10.6, autoview.com/syntax).

Commands stand on lines of their own, or are separated by ``|``; each becomes a message. Its stops and targets (``sl``, ``tp``,
``ts``) mean points, ticks or per cent by exchange, so they are refused by name: an entry needs our own form.
"""

from __future__ import annotations

import re

from desk.alerts.dialects.pairs import Pairs, amount, pairs_of, with_own_ids
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal, choice_of, contracts_of, positive_of, shown, switch_of
from desk.alerts.wire import JsonObject

__all__ = ["read_autoview"]

_MOST = 10  # commands of one text
_SPLIT = re.compile(r"[|\r\n]+")
_BETWEEN = re.compile(r"\s+(?=[A-Za-z]+\s*=)")
_SIDES = {"buy": "long", "long": "long", "sell": "short", "short": "short"}
_UNCLEAR = ("p", "sl", "tp", "ts", "fsl", "ftp", "fts", "so", "sh")
_CANNOT: tuple[tuple[tuple[str, ...], str], ...] = (
    (("delay",), "an order that waits before it is sent is not available."),
    (_UNCLEAR, "what it counts depends on the exchange; send our own form, with stop and targets."),
    (("y", "u", "ab", "ar", "bcc", "cc", "w"), "it has no meaning for futures here."),
)


def read_autoview(text: str, terms: DialectTerms) -> Translation:
    """Every command of the text. Raises Refusal with the name of the key and what to send instead."""
    del terms  # nothing of it is asked of the bot's owner
    lines = [line for part in _SPLIT.split(text) if (line := part.strip()) and not line.startswith(("#", "//"))]
    if len(lines) > _MOST:
        raise Refusal(f"The text holds {len(lines)} commands; at most {_MOST} are read.")
    messages: list[JsonObject] = []
    warnings: list[str] = []
    for line in lines:
        if "&" in line:
            raise Refusal(
                "& adds orders to a command, which is not available; send our own form, with stop and targets."
            )
        pairs = pairs_of(_BETWEEN.sub(";", line))
        found = with_own_ids([_message(pairs)], pairs)
        rest = pairs.leave_rest()
        messages += [one | rest for one in found]
        warnings += pairs.warnings
    return Translation(tuple(messages), tuple(dict.fromkeys(warnings)))


def _message(pairs: Pairs) -> JsonObject:
    pairs.check_said("c")
    cancels = choice_of("c", pairs.take("c"), ("position", "order"))
    side = choice_of("b", pairs.take("b"), ("buy", "long", "sell", "short", "all"))
    symbol = pairs.take("s")
    if symbol is None:
        raise Refusal("s is missing (an empty placeholder?); write for example s=MNQ1!")
    for names, why in _CANNOT:
        pairs.refuse(names, why, is_out=cancels is not None)
    common: JsonObject = {"symbol": symbol, **_accounts(pairs)}
    if switch_of("d", pairs.take("d")):
        common["dry_run"] = True
    if pairs.take("l") is not None:
        pairs.warnings.append("l is not used: futures have no leverage to set, the size is counted in contracts")
    pairs.take("e")
    if cancels == "position":
        return common | _close(pairs, side)
    if cancels == "order":
        if side not in {None, "all"}:
            raise Refusal(f"c=order with b={side}: the orders of one side alone are not available. Leave b out.")
        return common | {"action": "cancel"}
    if side in {None, "all"}:
        raise Refusal("b is missing; allowed is one of: buy, sell, or c=position or c=order.")
    return common | _ordered(pairs, str(side))


def _accounts(pairs: Pairs) -> JsonObject:
    names = [name.strip() for name in (pairs.take("a") or "*").split(",") if name.strip()]
    return {} if "*" in names or not names else {"accounts": [*names]}


def _close(pairs: Pairs, side: str | None) -> JsonObject:
    """``b`` names the side of the position that is closed, ``q`` or ``cm`` how much of it."""
    action = "exit" if side in {None, "all"} else f"exit_{_SIDES[str(side)]}"
    text = pairs.take("q", "cm")
    pairs.take("t")
    if text is None:
        return {"action": action}
    if text.endswith("%"):
        pct = positive_of("q", text[:-1].strip())
        return {"action": action, "qty": {"mode": "position_pct", "value": None if pct is None else amount(pct)}}
    qty = contracts_of("q", text)
    return {"action": action, "qty": {"mode": "contracts", "value": None if qty is None else amount(qty)}}


def _ordered(pairs: Pairs, side: str) -> JsonObject:
    """``long`` and ``short`` enter, and without a stop, which this form cannot give clearly, that is refused later by name.
    A bare ``buy`` or ``sell`` is what the bot's own rule for it says, which may be an exit."""
    kind = choice_of("t", pairs.take("t"), ("market", "limit")) or "market"
    text = pairs.take("q")
    if text is not None and not text.replace(".", "", 1).isdigit():
        raise Refusal(f"q is {shown(text)}: only whole contracts are available.")
    action = side if side in {"buy", "sell"} else f"enter_{side}"
    message: JsonObject = {"action": action, "order": {"type": kind}}
    qty = contracts_of("q", text)
    if qty is not None:
        message["qty"] = {"mode": "contracts", "value": amount(qty)}
    price = positive_of("fp", pairs.take("fp"))
    if price is not None:
        message["order"] = {"type": kind, "price": amount(price)}
    return message
