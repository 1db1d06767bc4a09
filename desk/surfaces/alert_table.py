"""``alerts``: the newest alerts, what became of each, and how late it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from desk.core.records import VerdictKind
from desk.runtime.desk import Desk
from desk.store import AlertRow
from desk.surfaces.arguments import take_apart
from desk.surfaces.calls import BadCall, Caller, CommandResult, whole_number
from desk.surfaces.sheet import Cell, Sheet
from desk.surfaces.show import DASH, EXCHANGE_ZONE, age_text, clock_text, zone_names

__all__ = ["MOST_ALERTS", "alert_data", "alerts", "found_alerts", "late_ms"]

USAGE = "alerts [n] [bot=NAME] [verdict=denied]"
DEFAULT_ALERTS = 20
MOST_ALERTS = 500
_PAGE, _PAGES = 500, 20  # of the journal, when most rows are not wanted
_COLOURS = {"accepted": "green", "denied": "red", "held": "yellow", "would_send": "cyan"}


async def alerts(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    asked = take_apart(args, ("bot", "verdict"), USAGE)
    words = asked.of_length(0, 1)
    n = whole_number(words[0], MOST_ALERTS) if words else DEFAULT_ALERTS
    if n is None:
        raise BadCall(f"alerts takes a number from 1 to {MOST_ALERTS}. Write {USAGE}")
    found = await found_alerts(desk, n, asked.options.get("bot"), asked.options.get("verdict"))
    ends = (found[-1].ts, found[0].ts) if found else (desk.clock.now(),) * 2
    titles = f"day,{zone_names(*ends, caller.zone)},{zone_names(*ends, EXCHANGE_ZONE)},bot,what,verdict,>late"
    empty = "No alert came yet. bot shows where to send one."
    if asked.options:
        empty = f"None of the newest {_PAGE * _PAGES:,} alerts is like that. Without bot= and verdict= all are shown."
    sheet = Sheet.of(titles, _rows(found, caller), empty=empty, under=map(_under, found))
    return CommandResult(True, [alert_data(row) for row in found], (sheet,))


async def found_alerts(
    desk: Desk, n: int, bot: str | None = None, verdict: str | None = None, before: str | None = None
) -> list[AlertRow]:
    """The newest ``n``, newest first. Raises BadCall for a verdict that there is not."""
    verdict = verdict.lower() if verdict is not None else None
    if verdict is not None and verdict not in set(VerdictKind):
        raise BadCall(f"There is no verdict {verdict[:40]!a}. Verdicts: {', '.join(VerdictKind)}")
    if bot is None and verdict is None:
        return await desk.journal.recent_alerts(n, before)
    found: list[AlertRow] = []
    for _ in range(_PAGES):
        page = await desk.journal.recent_alerts(_PAGE, before)
        found += [row for row in page if bot in {None, row.bot} and verdict in {None, row.verdict}]
        if len(page) < _PAGE or len(found) >= n:
            break
        before = page[-1].alert_id
    return found[:n]


def alert_data(row: AlertRow) -> dict[str, object]:
    """An alert for a program."""
    return {
        "alert_id": row.alert_id,
        "ts": row.ts,
        "bot": row.bot,
        "source": row.source,
        "verdict": row.verdict,
        "reason": row.reason,
        "text": row.text,
        "of": row.of,
        "dialect": row.alert.dialect if row.alert is not None else None,
        "late_ms": late_ms(row),
        "action": row.alert.action.value if row.alert is not None else None,
        "symbol": row.alert.symbol if row.alert is not None else None,
        "alert": row.alert,
        "raw": row.raw,
        "body_sha256": row.body_sha256,
    }


def late_ms(row: AlertRow) -> float | None:
    """How old it was when it came; None where it does not say when it was fired. TradingView's clock has whole seconds, so
    a little below zero is on time."""
    if row.alert is None or row.alert.fired_at is None:
        return None
    return max(0.0, round((row.ts - row.alert.fired_at) / timedelta(milliseconds=1), 1))


def _rows(found: Sequence[AlertRow], caller: Caller) -> Iterator[tuple[Cell | str, ...]]:
    last = ""
    for row in found:
        day = row.ts.astimezone(caller.zone).strftime("%a %m-%d")
        yield (
            day if day != last else "",
            clock_text(row.ts, caller.zone),
            clock_text(row.ts, EXCHANGE_ZONE),
            row.bot,
            _wanted(row),
            Cell(row.verdict, _COLOURS.get(row.verdict, "")),
            age_text(late_ms(row)),
        )
        last = day


def _under(row: AlertRow) -> str:
    """The id for ``why``, whose form it came in, and why."""
    form = f"{row.alert.dialect} " if row.alert is not None and row.alert.dialect != "desk" else ""
    because = ": ".join(filter(None, (row.reason, row.text)))
    return f"{row.alert_id}  {form}{because or DASH}"


def _wanted(row: AlertRow) -> str:
    alert = row.alert
    if alert is None:
        return "unreadable"
    qty = "" if alert.qty.value is None else f" {alert.qty.value:f}"
    symbol = (alert.symbol or "").rpartition(":")[2]  # without the exchange
    return f"{alert.action.value}{qty} {symbol}".rstrip()
