"""Messages to paste: into TradingView's alert dialog, and into a shell to try it (TradingView reference 11.2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from desk.core.secret import Secret

__all__ = ["example_alert", "strategy_template"]

# Works for every strategy: target based, so a lost or doubled message heals itself. No comment: it may contain quotes.
_STRATEGY = (
    '{"v":1,"bot":%s,%s%s"fired_at":"{{timenow}}","bar_time":"{{time}}","interval":"{{interval}}",\n'
    '"symbol":"{{exchange}}:{{ticker}}","price":{{strategy.order.price}},"action":"{{strategy.order.action}}",\n'
    '"position":{"now":"{{strategy.market_position}}","size":{{strategy.market_position_size}},\n'
    '"prev":"{{strategy.prev_market_position}}","prev_size":{{strategy.prev_market_position_size}}},\n'
    '"qty":{"mode":"contracts","value":{{strategy.order.contracts}}},'
    '"id":"{{strategy.order.id}}|{{timenow}}|{{strategy.order.action}}'
    '|{{strategy.order.contracts}}|{{strategy.market_position_size}}"}'
)


def strategy_template(bot: str, secret: Secret | None, stop_points: Decimal | None = None) -> str:
    """The message of a strategy alert. secret: None where the path carries it; else the result shows it.

    stop_points: of every entry, which is refused without one; None: the sender adds it.
    """
    in_body = f'"secret":{json.dumps(secret.reveal())},' if secret else ""
    stop = f'"stop":{{"unit":"points","value":{stop_points}}},' if stop_points is not None else ""
    return _STRATEGY % (json.dumps(bot), in_body, stop)


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
