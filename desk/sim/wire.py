"""The gateway's JSON, written by hand from reference 3 and 5: rows out, request bodies in."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from desk.sim.model import Account, Bracket, Contract, HalfTurn, Order, PlaceRequest, Position, UserEvent

Json = dict[str, Any]
T = TypeVar("T")
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


class BadRequest(Exception):
    """The body does not bind to the request's members: HTTP 400 with problem details (reference 3.1)."""

    def __init__(self, member: str, detail: str) -> None:
        super().__init__(f"{member}: {detail}")
        self.member = member
        self.detail = detail


def number(value: Decimal | None) -> int | float | None:
    """A price or an amount as a JSON number, without a fraction where there is none."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def stamp(at: datetime) -> str:
    """ISO-8601 with offset, up to 7 digits of fraction, trailing zeros dropped (reference 3.1).

    The seventh of a time that is no whole millisecond is 0 to 4, so that whoever rounds and whoever cuts read the same.
    """
    text = at.astimezone(UTC).isoformat()
    if "." not in text:
        return text
    head, tail = text.split(".")
    tenths = "" if at.microsecond % 1000 == 0 else str(at.microsecond % 5)
    return f"{head}.{(tail[:6] + tenths).rstrip('0')}{tail[6:]}"


def account_json(row: Account) -> Json:
    """TradingAccount of reference 3.2."""
    return {
        "id": row.id,
        "name": row.name,
        "balance": number(row.balance),
        "canTrade": row.can_trade,
        "isVisible": row.is_visible,
        "simulated": row.simulated,
    }


def contract_json(row: Contract) -> Json:
    """Contract of reference 3.3."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tickSize": number(row.tick_size),
        "tickValue": number(row.tick_value),
        "activeContract": row.active,
        "symbolId": row.symbol_id,
    }


def order_json(row: Order) -> Json:
    """Order of reference 3.5: nulls for prices and tag, relatives and trail only where there are any."""
    result: Json = {
        "id": row.id,
        "accountId": row.account_id,
        "contractId": row.contract_id,
        "symbolId": row.symbol_id,
        "creationTimestamp": stamp(row.created),
        "updateTimestamp": stamp(row.updated),
        "status": int(row.status),
        "type": int(row.type),
        "side": int(row.side),
        "size": row.size,
        "limitPrice": number(row.limit_price),
        "stopPrice": number(row.stop_price),
        "fillVolume": row.fill_volume,
        "filledPrice": number(row.filled_price),
        "customTag": row.custom_tag,
    }
    optional = {
        "trailPrice": number(row.trail_price),
        "trailDistance": row.trail_ticks,
        "parentOrderId": row.parent_id,
        "linkedOrderId": row.linked_id,
    }
    return result | {name: value for name, value in optional.items() if value is not None}


def position_json(row: Position) -> Json:
    """Position of reference 3.9; a closed one keeps its average price."""
    return {
        "id": row.id,
        "accountId": row.account_id,
        "contractId": row.contract_id,
        "contractDisplayName": row.display_name,
        "creationTimestamp": stamp(row.created),
        "type": (row.net > 0) + 2 * (row.net < 0),
        "size": row.size,
        "averagePrice": number(row.average_price),
    }


def trade_json(row: HalfTurn) -> Json:
    """HalfTrade of reference 3.10."""
    return {
        "id": row.id,
        "accountId": row.account_id,
        "contractId": row.contract_id,
        "creationTimestamp": stamp(row.created),
        "price": number(row.price),
        "profitAndLoss": number(row.profit),
        "fees": number(row.fees),
        "commissions": number(row.commissions),
        "side": int(row.side),
        "size": row.size,
        "voided": row.voided,
        "orderId": row.order_id,
    }


def user_event_json(event: UserEvent) -> tuple[str, Json]:
    """Hub target and its one argument: ``{action, data}``, empty members left out (reference 5.4)."""
    row = event.row
    if isinstance(row, Order):
        target, data = "GatewayUserOrder", order_json(row)
    elif isinstance(row, Position):
        target, data = "GatewayUserPosition", position_json(row)
    elif isinstance(row, HalfTurn):
        target, data = "GatewayUserTrade", trade_json(row)
    else:
        target, data = "GatewayUserAccount", account_json(row)
    kept = {name: value for name, value in data.items() if value is not None}
    return target, {"action": event.action, "data": kept}


class Body:
    """A request body that is asked for its members by type; a wrong one raises BadRequest."""

    def __init__(self, members: Json) -> None:
        self._members = members

    @classmethod
    def parse(cls, raw: bytes) -> "Body":
        """JSON text to a body; nothing at all counts as ``{}``, numbers with a fraction become Decimal."""
        if not raw.strip():
            return cls({})
        try:
            parsed = json.loads(raw, parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError) as exc:
            raise BadRequest("$", f"The JSON value could not be converted: {exc}") from exc
        if not isinstance(parsed, dict):
            raise BadRequest("$", "The JSON value could not be converted to an object.")
        return cls(parsed)

    def has(self, name: str) -> bool:
        """True when the member is there and not null."""
        return self._members.get(name) is not None

    def names(self) -> list[str]:
        """All members, in their order."""
        return list(self._members)

    def int32(self, name: str) -> int:
        """A required 32-bit integer."""
        return self._integer(name, _INT32)

    def int64(self, name: str) -> int:
        """A required 64-bit integer."""
        return self._integer(name, _INT64)

    def text(self, name: str) -> str:
        """A required string."""
        value = self._required(name)
        if not isinstance(value, str):
            raise BadRequest(name, "The JSON value could not be converted to System.String.")
        return value

    def flag(self, name: str) -> bool:
        """A required boolean."""
        value = self._required(name)
        if not isinstance(value, bool):
            raise BadRequest(name, "The JSON value could not be converted to System.Boolean.")
        return value

    def price(self, name: str) -> Decimal:
        """A required decimal number."""
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise BadRequest(name, "The JSON value could not be converted to System.Decimal.")
        return Decimal(value)

    def instant(self, name: str) -> datetime:
        """A required date-time with offset; one without counts as UTC."""
        text = self.text(name)
        try:
            at = datetime.fromisoformat(text)
        except ValueError as exc:
            raise BadRequest(name, "The JSON value could not be converted to System.DateTime.") from exc
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

    def part(self, name: str) -> "Body":
        """A required object."""
        value = self._required(name)
        if not isinstance(value, dict):
            raise BadRequest(name, "The JSON value could not be converted to an object.")
        return Body(value)

    def integers(self, name: str) -> list[int]:
        """A required array of 32-bit integers."""
        value = self._required(name)
        if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, int) for one in value):
            raise BadRequest(name, "The JSON value could not be converted to an array of integers.")
        return [int(one) for one in value]

    def maybe(self, read: Callable[[str], T], name: str) -> T | None:
        """The member read by one of the methods above, None when it is absent or null."""
        return read(name) if self.has(name) else None

    def _required(self, name: str) -> Any:
        if not self.has(name):
            raise BadRequest(name, f"The {name} field is required.")
        return self._members[name]

    def _integer(self, name: str, bounds: range) -> int:
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, int) or value not in bounds:
            raise BadRequest(name, "The JSON value could not be converted to an integer.")
        return value


def place_request(body: Body) -> PlaceRequest:
    """The body of Order/place (reference 3.6); ``linkedOrderId`` is accepted and means nothing."""
    return PlaceRequest(
        account_id=body.int32("accountId"),
        contract_id=body.text("contractId"),
        type=body.int32("type"),
        side=body.int32("side"),
        size=body.int32("size"),
        limit_price=body.maybe(body.price, "limitPrice"),
        stop_price=body.maybe(body.price, "stopPrice"),
        trail_price=body.maybe(body.price, "trailPrice"),
        custom_tag=body.maybe(body.text, "customTag") or None,
        stop_loss=_bracket(body, "stopLossBracket"),
        take_profit=_bracket(body, "takeProfitBracket"),
    )


def _bracket(body: Body, name: str) -> Bracket | None:
    if not body.has(name):
        return None
    part = body.part(name)
    return Bracket(ticks=part.int32("ticks"), type=part.int32("type"))
