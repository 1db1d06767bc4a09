"""Messages to paste: into TradingView's alert dialog, and into a shell to try it (TradingView reference 11.2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from desk.core.secret import Secret

__all__ = ["TEMPLATE_KINDS", "Template", "example_alert", "strategy_template", "templates"]

TEMPLATE_KINDS = ("strategy", "indicator", "exit", "heartbeat")

# Works for every strategy: target based, so a lost or doubled message heals itself. No comment: it may contain quotes.
_STRATEGY = (
    '{"v":1,"bot":%s,%s%s"fired_at":"{{timenow}}","bar_time":"{{time}}","interval":"{{interval}}",\n'
    '"symbol":"{{exchange}}:{{ticker}}","price":{{strategy.order.price}},"action":"{{strategy.order.action}}",\n'
    '"position":{"now":"{{strategy.market_position}}","size":{{strategy.market_position_size}},\n'
    '"prev":"{{strategy.prev_market_position}}","prev_size":{{strategy.prev_market_position_size}}},\n'
    '"qty":{"mode":"contracts","value":{{strategy.order.contracts}}},'
    '"id":"{{ticker}}|{{strategy.order.id}}|{{timenow}}|{{strategy.order.contracts}}|{{strategy.market_position_size}}"}'
)


def strategy_template(bot: str, secret: Secret | None, stop_points: Decimal | None = None) -> str:
    """The message of a strategy alert. secret: None where the path carries it; else the result shows it.

    stop_points: of every entry, which is refused without one; None: the sender adds it.
    """
    in_body = f'"secret":{json.dumps(secret.reveal())},' if secret else ""
    stop = f'"stop":{{"unit":"points","value":{stop_points}}},' if stop_points is not None else ""
    return _STRATEGY % (json.dumps(bot), in_body, stop)


# Numbers stand in quotes: a placeholder that TradingView leaves empty is then missing, and named, not broken JSON.
_HEAD = '{"v":1,"bot":%s,%s"id":"{{ticker}}|{{timenow}}|%s","fired_at":"{{timenow}}",'
_SIGNAL = (
    '"bar_time":"{{time}}","interval":"{{interval}}",\n'
    '"symbol":"{{exchange}}:{{ticker}}","price":"{{close}}","action":"%s","qty":{"mode":"default"},\n'
    '"stop":{"unit":"price","value":"{{plot("SL")}}"},"targets":[{"unit":"price","value":"{{plot("TP")}}"}]}'
)
_EXIT = '"symbol":"{{exchange}}:{{ticker}}","action":"exit"}'
_HEARTBEAT = '"action":"heartbeat"}'
_WIDTH = 78
_FIELDS = re.compile(r'(?<=,)(?=")')  # between two fields: inside a text a quote has a backslash before it
_PLACEHOLDER = re.compile(r"\{\{.+?\}\}")
_MEANINGS = {
    "{{ticker}}": "the chart's symbol, MNQ1!",
    "{{exchange}}": "its exchange, CME_MINI; with _DL the data are delayed",
    "{{timenow}}": "when the alert fired, UTC; the age of an entry counts from it",
    "{{time}}": "when the bar opened, UTC",
    "{{interval}}": "the chart's timeframe",
    "{{close}}": "the price at that moment",
    '{{plot("SL")}}': "the value of your script's plot titled \"SL\": the stop's price",
    '{{plot("TP")}}': "the value of your script's plot titled \"TP\": the target's price",
    "{{strategy.order.action}}": "buy or sell, of the order that the strategy made",
    "{{strategy.order.contracts}}": "its size",
    "{{strategy.order.price}}": "its simulated fill price",
    "{{strategy.order.id}}": "its name in the script",
    "{{strategy.market_position}}": "long, short or flat, after it; this is what the bot follows",
    "{{strategy.market_position_size}}": "contracts after it",
    "{{strategy.prev_market_position}}": "the same before it, by which a lost message is noticed",
    "{{strategy.prev_market_position_size}}": "contracts before it",
}


@dataclass(frozen=True, slots=True)
class Template:
    """One message to paste. placeholders: what TradingView puts in, each with its meaning. notes: what a person must do."""

    kind: str
    title: str
    message: str
    placeholders: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def templates(
    kind: str, bot: str, secret: Secret | None = None, stop_points: Decimal | None = None
) -> tuple[Template, ...]:
    """The messages of one kind (``TEMPLATE_KINDS``). secret, stop_points: as in :func:`strategy_template`."""
    assert kind in TEMPLATE_KINDS, "the caller checked it"
    in_body = f'"secret":{json.dumps(secret.reveal())},' if secret else ""

    def made(title: str, name: str, rest: str, *notes: str) -> Template:
        return _template(kind, title, _HEAD % (json.dumps(bot), in_body, name) + rest, *notes)

    match kind:
        case "strategy":
            notes = ["Works for every strategy: the bot goes to the position that the strategy has after its order."]
            if stop_points is not None:
                notes.append(
                    f"Every entry needs a stop, and {stop_points} points is an example: set your own distance."
                )
            return (_template(kind, "strategy alert", strategy_template(bot, secret, stop_points), *notes),)
        case "indicator":
            plots = 'Your script needs plots titled "SL" and "TP": plot(stopPrice, "SL", display=display.none).'
            against = 'Against a position it is refused; "policy":{"opposite":"reverse"} turns it round.'
            return (
                made("alert of the long signal", "enter_long", _SIGNAL % "enter_long", plots, against),
                made("alert of the short signal", "enter_short", _SIGNAL % "enter_short"),
            )
        case "exit":
            whole = "Closes all that the bot's account holds of the symbol, and never opens anything."
            return (made("alert that gets out", "exit", _EXIT, whole),)
        case _:
            alone = "An alert of its own, once an hour or at every bar's close: it trades nothing and shows that alerts come."
            return (made("heartbeat", "heartbeat", _HEARTBEAT, alone),)


def _template(kind: str, title: str, message: str, *notes: str) -> Template:
    used = dict.fromkeys(_PLACEHOLDER.findall(message))
    return Template(kind, title, _folded(message), tuple((name, _MEANINGS[name]) for name in used), notes)


def _folded(message: str) -> str:
    """Broken between fields, so that no line of a terminal breaks it; JSON does not mind."""
    lines = [""]
    for field in _FIELDS.split(message.replace("\n", "")):
        if lines[-1] and len(lines[-1]) + len(field) > _WIDTH:
            lines.append("")
        lines[-1] += field
    return "\n".join(lines)


def example_alert(symbol: str, qty: int, stop_points: Decimal, target_points: Decimal, now: datetime) -> str:
    """One ``enter_long`` with a bracket on one line, fit for a shell between single quotes. now: aware.

    Its id is made from ``now``: the same text twice is one order, a text made later is another.
    """
    fired_at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return (
        f'{{"v":1,"id":"example-{stamp}","fired_at":"{fired_at}","symbol":{json.dumps(symbol)},"action":"enter_long",'
        f'"qty":{{"mode":"contracts","value":{qty}}},"stop":{{"unit":"points","value":{stop_points}}},'
        f'"targets":[{{"unit":"points","value":{target_points}}}]}}'
    )
