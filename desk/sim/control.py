"""The loopback control door ``/sim/...``: the same knobs as the Python API, for a simulator in another process."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from desk.sim.wire import BadRequest, Body, Json, account_json, order_json, position_json, trade_json

if TYPE_CHECKING:
    from desk.sim.server import SimServer

Action = Callable[["SimServer", Body], Awaitable[Json]]


async def _price(sim: "SimServer", body: Body) -> Json:
    """``{"contractId", "price"}``: walk there."""
    try:
        sim.set_price(body.text("contractId"), body.price("price"))
    except (KeyError, ValueError) as exc:
        raise BadRequest("price", str(exc)) from exc
    return {}


async def _fault(sim: "SimServer", body: Body) -> Json:
    """``{"endpoint", "kind", "times"?, "status"?, "code"?, "message"?, "ms"?, "retryAfter"?}``: trouble for calls."""
    planned = sim.faults.next(body.text("endpoint"), body.maybe(body.int32, "times") or 1)
    status, code = body.maybe(body.int32, "status") or 503, body.maybe(body.int32, "code") or 2
    retry, message = body.maybe(body.int32, "retryAfter"), body.maybe(body.text, "message")
    ms = float(body.maybe(body.price, "ms") or 0)
    kinds: dict[str, Callable[[], None]] = {
        "drop_before": planned.drops_before_execution,
        "drop_after": planned.drops_after_execution,
        "refuse": lambda: planned.refuses(status, retry_after_s=retry),
        "refuse_after": lambda: planned.refuses_after_execution(status),
        "reject": lambda: planned.rejects(code, message),
        "hang": planned.hangs,
        "delay": lambda: planned.delays(ms),
    }
    kind = body.text("kind")
    if kind not in kinds:
        raise BadRequest("kind", f"one of {', '.join(kinds)}")
    kinds[kind]()
    return {}


async def _latency(sim: "SimServer", body: Body) -> Json:
    """``{"place": 100, ...}``: standing milliseconds."""
    sim.faults.set_latency({name: float(body.price(name)) for name in body.names()})
    return {}


async def _drop(sim: "SimServer", body: Body) -> Json:
    """``{"hub", "how"?}``: abort, close or logout all its connections."""
    hub, how = _hub(body), body.maybe(body.text, "how") or "abort"
    if how not in ("abort", "close", "logout"):
        raise BadRequest("how", "one of abort, close, logout")
    return {"dropped": await sim.drop_hubs(hub, how)}


async def _refuse(sim: "SimServer", body: Body) -> Json:
    """``{"hub", "times"?, "status"?}``: the next upgrades fail."""
    times, status = body.maybe(body.int32, "times") or 1, body.maybe(body.int32, "status") or 503
    sim.faults.refuse_hub(_hub(body), times, status)
    return {}


async def _silence(sim: "SimServer", body: Body) -> Json:
    """``{"hub", "silent"}``: pings only."""
    sim.faults.silence_hub(_hub(body), body.flag("silent"))
    return {}


async def _events(sim: "SimServer", body: Body) -> Json:
    """``{"lose"?, "duplicate"?, "delayMs"?}``: what happens to user events."""
    sim.faults.lose_user_events(body.maybe(body.int32, "lose") or 0)
    sim.faults.duplicate_user_events(body.maybe(body.int32, "duplicate") or 0)
    if body.has("delayMs"):
        sim.faults.delay_user_events(float(body.price("delayMs")))
    return {}


async def _clear(sim: "SimServer", body: Body) -> Json:
    """Forget all planned trouble."""
    sim.faults.clear()
    return {}


async def _expire(sim: "SimServer", body: Body) -> Json:
    """Every token issued so far is dead."""
    sim.expire_tokens()
    return {}


async def _account(sim: "SimServer", body: Body) -> Json:
    """``{"accountId", "canTrade"?, "autoOco"?}``."""
    changes = {"can_trade": body.maybe(body.flag, "canTrade"), "auto_oco": body.maybe(body.flag, "autoOco")}
    try:
        sim.set_account(body.int32("accountId"), **{name: to for name, to in changes.items() if to is not None})
    except KeyError as exc:
        raise BadRequest("accountId", f"no account {exc}") from exc
    return {}


def _hub(body: Body) -> str:
    hub = body.text("hub")
    if hub not in ("user", "market"):
        raise BadRequest("hub", "user or market")
    return hub


def state(sim: "SimServer") -> Json:
    """Everything a test asserts on: rows as the wire shows them, the request log, the connections."""
    return {
        "accounts": [account_json(row) for row in sim.accounts],
        "orders": [order_json(row) for row in sim.orders],
        "positions": [position_json(row) for row in sim.positions],
        "trades": [trade_json(row) for row in sim.trades],
        "requests": [asdict(row) for row in sim.requests],
        "connections": {hub: _connections(sim, hub) for hub in ("user", "market")},
    }


def _connections(sim: "SimServer", hub: str) -> list[Json]:
    return [
        {
            "id": one.id,
            "opened": one.opened,
            "closed": one.closed,
            "subscriptions": sorted([kind, key] for kind, key in one.subscriptions),
        }
        for one in sim.hub_history(hub)
    ]


ACTIONS: dict[str, Action] = {
    "price": _price,
    "fault": _fault,
    "latency": _latency,
    "drop": _drop,
    "refuse": _refuse,
    "silence": _silence,
    "events": _events,
    "clear": _clear,
    "expire": _expire,
    "account": _account,
}


async def handle(sim: "SimServer", request: web.Request) -> web.Response:
    """``GET /sim/state`` and ``POST /sim/<action>``; a mistake is 400 with a sentence."""
    name = request.match_info["action"]
    if name == "state":
        return web.json_response(state(sim))
    action = ACTIONS.get(name)
    if action is None:
        return _refusal(404, f"no control named {name}; there are state, {', '.join(ACTIONS)}")
    if request.method != "POST":
        return _refusal(405, "post to it")
    try:
        return web.json_response({"ok": True, **await action(sim, Body.parse(await request.read()))})
    except BadRequest as exc:
        return _refusal(400, str(exc))


def _refusal(status: int, why: str) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error": why}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
