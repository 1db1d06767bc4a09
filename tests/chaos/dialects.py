"""The same message as another bridge would have sent it. What a form cannot say is sent in our own.

Distances stay distances, so that every entry keeps its fingerprint. The message's id stands somewhere in every text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["DIALECTS", "ID_IN_TEXT", "render"]

ID_IN_TEXT = r"chaos-\d+-\d+"
Members = dict[str, Any]
_ENTRIES = {"enter_long", "enter_short"}


def render(members: Members, dialect: str, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    """``points``: distances of stop and target. None: the form has no words for this message."""
    return DIALECTS[dialect](members, fired_at, points)


def _is_goal(members: Members) -> bool:
    return members["action"] == "set_position"


def _sides(members: Members) -> tuple[str, str] | None:
    """(buy or sell, long or short) of an entry."""
    if members["action"] not in _ENTRIES:
        return None
    return ("buy", "long") if members["action"] == "enter_long" else ("sell", "short")


def _traderspost(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    base = {"ticker": members.get("symbol"), "time": fired_at, "extras": {"id": members["id"]}}
    sides = _sides(members)
    if sides is not None and points is not None:
        held = "bullish" if sides[1] == "long" else "bearish"
        exits = {"stopLoss": {"type": "stop", "amount": points[0]}, "takeProfit": {"amount": points[1]}}
        base |= {"action": sides[0], "sentiment": held, "quantity": members["qty"]["value"], **exits}
    elif members["action"] == "exit":
        base["action"] = "exit"
    elif _is_goal(members) and members["position"]["now"] == "flat":
        base |= {"action": "sell", "sentiment": "flat"}
    else:
        return None
    return json.dumps(base).encode()


def _pickmytrade(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    base = {"symbol": members.get("symbol"), "strategy_name": "chaos", "date": fired_at, "comment": members["id"]}
    sides = _sides(members)
    if sides is not None and points is not None:
        base |= {"data": sides[0], "quantity": str(members["qty"]["value"]), "dollar_sl": points[0]}
        base |= {"dollar_tp": points[1], "reverse_order_close": True, "pyramid": True}
    elif members["action"] == "exit":
        base |= {"data": "close", "quantity": 0}
    else:
        return None
    return json.dumps(base).encode()


def _threecommas(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    base: Members = {
        "bot_uuid": members["id"], "timestamp": fired_at, "tv_instrument": str(members.get("symbol")).partition(":")[2],
        "tv_exchange": str(members.get("symbol")).partition(":")[0], "max_lag": "15", "trigger_price": "",
    }  # fmt: skip
    sides = _sides(members)
    if sides is not None and points is not None:
        ours = {"stop": {"unit": "points", "value": points[0]}, "targets": [{"unit": "points", "value": points[1]}]}
        order = {"amount": members["qty"]["value"], "currency_type": "base"}
        base |= {"action": members["action"], "order": order, **ours}
    elif members["action"] in {"exit_long", "exit_short"}:
        base["action"] = members["action"]
    elif _is_goal(members) and members["position"]["now"] == "flat":
        base |= {"action": "sell", "strategy_info": {"market_position": "flat", "market_position_size": "0"}}
    else:
        return None
    return json.dumps(base).encode()


def _crosstrade(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    pairs = {"comment": members["id"], "fired_at": fired_at, "instrument": members.get("symbol")}
    sides = _sides(members)
    if sides is not None and points is not None:
        sign = 1 if sides[1] == "long" else -1
        pairs |= {"command": "PLACE", "action": sides[0].upper(), "qty": members["qty"]["value"], "tif": "day"}
        pairs |= {"order_type": "MARKET", "stop_loss": f"{-sign * points[0]:+} points"}
        pairs |= {"take_profit": f"{sign * points[1]:+} points"}
    elif members["action"] in {"exit", "flatten"}:
        pairs |= {"command": "CLOSEPOSITION" if members["action"] == "exit" else "FLATTEN"}
    elif members["action"] == "flatten_all":
        pairs |= {"command": "FLATTENEVERYTHING"}
        del pairs["instrument"]
    else:
        return None
    return "".join(f"{name}={value};\r\n" for name, value in pairs.items()).encode()


def _octobot(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    pairs = {"ID": members["id"], "FIRED_AT": fired_at}
    sides = _sides(members)
    if sides is None or points is None:
        return None
    exchange, _, symbol = members["symbol"].partition(":")
    sign = 1 if sides[1] == "long" else -1
    pairs |= {"EXCHANGE": exchange, "SYMBOL": symbol, "SIGNAL": sides[0].upper(), "VOLUME": members["qty"]["value"]}
    pairs |= {"STOP_PRICE": f"{-sign * points[0]:g}d", "TAKE_PROFIT_PRICE": f"{sign * points[1]:g}d"}
    return "\n".join(f"{name} = {value}" for name, value in pairs.items()).encode()


def _discord(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    del points
    words = {
        "exit": "close",
        "exit_long": "stop out long",
        "exit_short": "stop out short",
        "flatten_all": "session close",
    }
    if members["action"] not in words:
        return None
    symbol = members.get("symbol", "CME_MINI:MNQ1!")
    title = f"🔔 [{symbol}] {words[members['action']]}"
    return json.dumps({"embeds": [{"title": title}], "id": members["id"], "fired_at": fired_at}).encode()


def _topstepbot(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    del points
    if members["action"] not in {"exit", "note"}:
        return None
    kind = "CLOSE" if members["action"] == "exit" else "SETUP"
    row = {"type": kind, "strat": members["id"], "ticker": members.get("symbol", "MNQ1!"), "time": fired_at}
    return json.dumps(row).encode()


def _minimal(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    del points
    if members["action"] not in {"exit", "flatten"}:
        return None
    word = "CLOSE" if members["action"] == "exit" else "FLATTEN"
    row = {"action": word, "symbol": members["symbol"], "time": fired_at, "message": members["id"]}
    return json.dumps(row).encode()


def _autoview(members: Members, fired_at: str, points: tuple[float, float] | None) -> bytes | None:
    del points
    if members["action"] != "exit":
        return None
    return f"e=topstep s={members['symbol']} c=position id={members['id']} fired_at={fired_at}".encode()


DIALECTS: dict[str, Callable[[Members, str, tuple[float, float] | None], bytes | None]] = {
    "TradersPost": _traderspost,
    "PickMyTrade": _pickmytrade,
    "3Commas": _threecommas,
    "CrossTrade": _crosstrade,
    "OctoBot": _octobot,
    "Discord-embed": _discord,
    "topstepbot": _topstepbot,
    "minimal REST": _minimal,
    "AutoView": _autoview,
}
