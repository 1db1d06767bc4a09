"""``why``: what was asked, what was decided, and everything that followed, from the journal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from desk.core.ids import CauseId, ClientOrderId, GatewayOrderId
from desk.core.records import Record
from desk.runtime.desk import Desk
from desk.store import AlertRow, JournalRow
from desk.surfaces.alert_table import alert_data
from desk.surfaces.calls import BadCall, Caller, CommandResult, whole_number
from desk.surfaces.deeds import deed
from desk.surfaces.sheet import Line, Page, Sheet
from desk.surfaces.show import EXCHANGE_ZONE, age_text, clock_text, day_text, zone_names

__all__ = ["story_data", "why"]

_SEARCH_DAYS = 7
_ROWS_A_DAY = 20_000
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


async def why(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """The story of whatever the id is of; every record with its time and what passed since the one before."""
    if not args:
        newest = await desk.journal.recent_alerts(1)
        example = newest[0].alert_id if newest else "01J..."
        raise BadCall(f"Why what? Write why {example}. Ids stand in alerts, orders and positions")
    cause = await _cause_of(desk, args[0])
    rows = await desk.journal.story(cause)
    if not rows:
        raise BadCall(f"The journal knows nothing of {args[0][:60]!a}. Ids stand in alerts, orders and positions")
    row = await desk.journal.alert(cause)
    data = {"id": cause, "alert": None if row is None else alert_data(row), "story": story_data(desk, rows)}
    return CommandResult(True, data, _story_page(desk, cause, rows, row, caller))


def story_data(desk: Desk, rows: Sequence[JournalRow]) -> list[dict[str, object]]:
    """A story for a program: each record whole, with what it says in words and the milliseconds between."""
    told = []
    for i, row in enumerate(rows):
        what, details = deed(desk, row.record)
        told.append(
            {
                "seq": row.seq,
                "ts": row.ts,
                "since_first_ms": _ms_between(rows[0], row),
                "since_previous_ms": _ms_between(rows[max(0, i - 1)], row),
                "type": row.type,
                "what": what,
                "details": details,
                "record": row.record,
            }
        )
    return told


def _story_page(desk: Desk, cause: str, rows: Sequence[JournalRow], alert: AlertRow | None, caller: Caller) -> Page:
    told, day = [], ""
    for i, row in enumerate(rows):
        what, details = deed(desk, row.record)
        passed = "" if i == 0 else f"+{_passed(_ms_between(rows[i - 1], row))}"
        this_day = day_text(row.ts, caller.zone)
        told.append((
            this_day if this_day != day else "",
            clock_text(row.ts, caller.zone, has_ms=True),
            clock_text(row.ts, EXCHANGE_ZONE),
            passed,
            what,
            details,
        ))  # fmt: skip
        day = this_day
    zones = ",".join(zone_names(rows[0].ts, rows[-1].ts, zone) for zone in (caller.zone, EXCHANGE_ZONE))
    count = f"{len(rows)} record{'' if len(rows) == 1 else 's'}"
    head = [Line(f"{cause}, {count} over {_passed(_ms_between(rows[0], rows[-1]))}", "bold")]
    if alert is not None:
        head.append(Line(f"sent to {alert.bot} by {alert.source}: {alert.raw}", "dim"))
    return (*head, Sheet.of(f"day,{zones},>after,what,numbers", told))


def _passed(ms: float) -> str:
    return f"{ms:,.0f} ms" if ms < 10_000 else age_text(ms)


def _ms_between(a: JournalRow, b: JournalRow) -> float:
    return round((b.ts - a.ts) / timedelta(milliseconds=1), 3)


async def _cause_of(desk: Desk, text: str) -> CauseId:
    """The cause behind an alert id, a command id, an order's tag or gateway id, or a plan id."""
    if _ULID.fullmatch(text.upper()):
        return CauseId(text.upper())
    text = text.removeprefix("#")
    number = whole_number(text, 2**63 - 1)
    if number is not None:
        tag = desk.state.by_gateway_id.get(GatewayOrderId(number))
    else:
        tag = ClientOrderId(text)
    order = None if tag is None else desk.state.orders.get(tag)
    if order is not None:
        return order.cause
    plan = desk.state.plans.get(text)
    if plan is not None:
        return plan.cause
    if len(parts := text.split(":")) > 1 and _ULID.fullmatch(parts[1]):  # exit:<cause>:..., flatten:<cause>:...
        return CauseId(parts[1])
    found = await _searched(desk, text.removeprefix("enter:"))
    if found is None:
        raise BadCall(
            f"No alert, command, order or plan of the last {_SEARCH_DAYS} days has the id {text[:60]!a}. "
            "Ids stand in alerts, orders and positions"
        )
    return found


async def _searched(desk: Desk, text: str) -> CauseId | None:
    """Goes back day by day through the journal for an order that is no longer remembered."""
    end = desk.clock.now() + timedelta(seconds=1)
    for _ in range(_SEARCH_DAYS):
        start = end - timedelta(days=1)
        rows = await desk.journal.between(start, end, _ROWS_A_DAY)
        for row in reversed(rows):
            if text in _ids_of(row.record):
                return row.cause
        end = start
    return None


def _ids_of(record: Record) -> set[str]:
    """Ids by which a person may know what the record is about."""
    order = getattr(record, "order", None)
    plan = getattr(record, "plan", None)
    ids = {
        getattr(order, "client_order_id", None) or getattr(order, "tag", None),
        getattr(order, "gateway_order_id", None),
        getattr(plan, "plan_id", None) or getattr(record, "plan_id", None),
    }
    return {str(known) for known in ids if known is not None}
