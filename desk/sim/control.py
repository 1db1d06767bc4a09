"""The loopback control door ``/sim/...``: the same knobs as the Python API, for a simulator in another process."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from desk.sim.faultfile import (
    EXPIRIES,
    HOWS,
    FaultError,
    flag_of,
    known_endpoint,
    limit_of,
    number_of,
    one_of,
    plan,
    whole_of,
)
from desk.sim.wire import BadRequest, Body, Json, account_json, order_json, position_json, trade_json

if TYPE_CHECKING:
    from desk.sim.faults import WhenExpired
    from desk.sim.server import SimServer

Action = Callable[["SimServer", Body, Json], Awaitable[Json]]
_MANY = 1_000_000
_YEAR_S = 366 * 86_400.0


async def _price(sim: "SimServer", body: Body, _: Json) -> Json:
    """``{"contractId", "price"}``: walk there."""
    price = body.price("price")
    if not abs(price) < _MANY * 1000:
        raise BadRequest("price", "too far away")
    try:
        sim.set_price(body.text("contractId"), price)
    except (KeyError, ValueError) as exc:
        raise BadRequest("price", str(exc)) from exc
    return {}


async def _fault(sim: "SimServer", _: Body, members: Json) -> Json:
    """One fault, as in a faults file: ``{"endpoint" | "events" | "hub", "kind", ...}``."""
    plan(sim.faults, members)
    return {}


async def _latency(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"place": 100, ...}``: standing milliseconds."""
    sim.faults.set_latency({known_endpoint("latency", name): number_of(members, name) for name in members})
    return {}


async def _drop(sim: "SimServer", body: Body, members: Json) -> Json:
    """``{"hub", "how"?}``: abort, close or logout all its connections; hub may be both."""
    hub = one_of(members, "hub", ("user", "market", "both"))
    return {"dropped": await sim.drop_hubs(hub, one_of(members, "how", HOWS, "abort"))}


async def _refuse(sim: "SimServer", body: Body, members: Json) -> Json:
    """``{"hub", "times"?, "status"?}``: the next upgrades fail."""
    times, status = whole_of(members, "times", 1, 0, 10_000), whole_of(members, "status", 503, 200, 599)
    sim.faults.refuse_hub(_hub(body), times, status)
    return {}


async def _silence(sim: "SimServer", body: Body, _: Json) -> Json:
    """``{"hub", "silent"}``: pings only."""
    sim.faults.silence_hub(_hub(body), body.flag("silent"))
    return {}


async def _events(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"lose"?, "duplicate"?, "delayMs"?}``: what happens to user events."""
    lose, double = whole_of(members, "lose", 0, 0, _MANY), whole_of(members, "duplicate", 0, 0, _MANY)
    delay = number_of(members, "delayMs") if members.get("delayMs") is not None else None
    sim.faults.lose_user_events(lose)
    sim.faults.duplicate_user_events(double)
    if delay is not None:
        sim.faults.delay_user_events(delay)
    return {}


async def _limits(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"general"?: [200, 60], "history"?: [50, 30]}``: other rate windows, requests and seconds."""
    sim.set_limits(limit_of(members, "general"), limit_of(members, "history"))
    return {}


async def _token(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"lifetimeS"?, "whenExpired"?}``: for tokens issued from now on, and for open hubs (reference 2.3)."""
    when = one_of(members, "whenExpired", EXPIRIES, sim.faults.when_expired)
    if members.get("lifetimeS") is not None:
        sim.tokens.lifetime_s = number_of(members, "lifetimeS")
    sim.faults.when_expired = cast("WhenExpired", when)
    return {}


async def _skew(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"seconds"}``: the gateway's clock is wrong by so much; 0 puts it right."""
    sim.faults.skew(number_of(members, "seconds", low=-_YEAR_S, high=_YEAR_S))
    return {}


async def _fills(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"partial"?, "ocoMs"?, "cancelMs"?}``: contracts of an order per print, 0: whole ones; how long a filled leg's sibling
    and a cancelled order live on.
    """
    if not members.keys() & {"partial", "ocoMs", "cancelMs"}:
        raise FaultError("name one of partial, ocoMs or cancelMs")
    partial = whole_of(members, "partial", high=_MANY) if "partial" in members else None
    delays = {name: number_of(members, name) for name in ("ocoMs", "cancelMs") if name in members}
    if partial is not None:
        sim.fill_in_parts(partial or None)
    if "ocoMs" in delays:
        sim.cancel_pairs_after(delays["ocoMs"])
    if "cancelMs" in delays:
        sim.cancel_after(delays["cancelMs"])
    return {}


async def _quotes(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"snapshot"}``: whether a new subscriber of quotes gets a whole one first."""
    sim.faults.quote_snapshot = flag_of(members, "snapshot")
    return {}


async def _reject(sim: "SimServer", body: Body, _: Json) -> Json:
    """``{"orderId"}``: turn down a working order that was accepted."""
    return {"rejected": sim.reject_order(body.int64("orderId"))}


async def _frames(sim: "SimServer", _: Body, members: Json) -> Json:
    """``{"chars"}``: cut hub messages into frames of at most so many characters; 0: whole again."""
    sim.cut_frames(whole_of(members, "chars", high=_MANY) or None)
    return {}


async def _burst(sim: "SimServer", body: Body, members: Json) -> Json:
    """``{"events"?, "seconds"?, "contractId"?}``: 08:30 in Chicago, for the contracts that are followed."""
    events = whole_of(members, "events", 20_000, 1, _MANY)
    sim.burst(events, number_of(members, "seconds", 10.0, low=0.05, high=3600.0), body.maybe(body.text, "contractId"))
    return {}


async def _roll(sim: "SimServer", body: Body, _: Json) -> Json:
    """``{"symbol"}``: the next month of a product such as MNQ becomes the active one."""
    try:
        sim.roll(body.text("symbol"))
    except KeyError as exc:
        raise BadRequest("symbol", f"no product {exc}") from exc
    return {}


async def _clear(sim: "SimServer", _: Body, __: Json) -> Json:
    """Forget all planned trouble."""
    sim.faults.clear()
    return {}


async def _expire(sim: "SimServer", _: Body, __: Json) -> Json:
    """Every token issued so far is dead."""
    sim.expire_tokens()
    return {}


async def _account(sim: "SimServer", body: Body, _: Json) -> Json:
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
    """Everything a test asserts on: rows as the wire shows them, the request log, what went wrong, the connections."""
    return {
        "accounts": [account_json(row) for row in sim.accounts],
        "orders": [order_json(row) for row in sim.orders],
        "positions": [position_json(row) for row in sim.positions],
        "trades": [trade_json(row) for row in sim.trades],
        "requests": [asdict(row) for row in sim.requests],
        "faults": list(sim.faults.happened),
        "connections": {hub: _connections(sim, hub) for hub in ("user", "market")},
    }


def _connections(sim: "SimServer", hub: str) -> list[Json]:
    return [
        {
            "id": one.id,
            "opened": one.opened,
            "closed": one.closed,
            "subscriptions": sorted(([kind, key] for kind, key in one.subscriptions), key=str),
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
    "limits": _limits,
    "token": _token,
    "skew": _skew,
    "fills": _fills,
    "quotes": _quotes,
    "reject": _reject,
    "frames": _frames,
    "burst": _burst,
    "roll": _roll,
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
    raw = await request.read()
    try:
        body, members = _read(raw)
        return web.json_response({"ok": True, **await action(sim, body, members)})
    except (BadRequest, FaultError) as exc:
        return _refusal(400, str(exc))


def _read(raw: bytes) -> tuple[Body, Json]:
    """The body twice: with the gateway's exact reader, and plain for what a faults file shares."""
    try:
        return Body.parse(raw), json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as exc:
        raise BadRequest("$", f"no JSON that can be used: {exc}") from exc


def _refusal(status: int, why: str) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error": why}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
