"""``bots`` and ``GET /api/bots``: each bot, what it may do, and how its alerts came in lately.

Settings are those that the engine decides with, its memory of the bot comes by ``bot_life``, what came today from the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from desk.bots import BotConfig
from desk.bots.config import Sizing, Window
from desk.core.trading_day import day_start, trading_day
from desk.runtime.desk import Desk
from desk.store import AlertRow
from desk.surfaces.bot_life import burst_of, life_of
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.explain_words import sizing_text, windows_text
from desk.surfaces.plan_words import account_name
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import age_text, clock_text, day_text, zone_name

__all__ = ["BotView", "bots", "view_bots"]

BURST_WARNS, BURST_STOPS = 10, 15  # TradingView switches an alert off beyond 15 in 3 minutes (TradingView reference 3)
_PAGE, _PAGES = 500, 10  # of the journal
_SHOWN_SYMBOLS = 4
_COLOURS = {"armed": "green", "paused": "yellow", "disarmed": "yellow", "halted": "bold red"}


@dataclass(frozen=True, slots=True)
class BotView:
    """One bot. state, late_*, heartbeat_due: see ``bot_life.Life``.

    today: alerts since 17:00 in Chicago by their verdict. burst: triggers of its busiest alert in the last three minutes.
    last_*: None where none is among the newest alerts of the journal.
    """

    name: str
    account_id: int | None
    account: str | None
    state: str
    state_text: str
    dialect: str | None
    symbols: tuple[str, ...]
    sides: tuple[str, ...]
    windows: tuple[Window, ...]
    size: int
    sizing: Sizing
    max_position: int
    max_alert_age_s: float
    price_bound_pct: Decimal | None
    last_alert_id: str | None
    last_at: datetime | None
    last_age_ms: float | None
    alert_version: str | None
    late_p50_ms: float | None
    late_p95_ms: float | None
    late_n: int
    heartbeat_s: float | None
    heartbeat_due: datetime | None
    burst: int
    today: dict[str, int]


async def view_bots(desk: Desk) -> list[BotView]:
    """In the order of the settings. Reads the newest alerts of the journal, at most 5,000."""
    ctx, now = desk.context(), desk.clock.now()
    since = day_start(trading_day(now))
    rows = await _rows_since(desk, since)
    return [_view(desk, bot, [row for row in rows if row.bot == bot.name], now, since) for bot in ctx.bots.values()]


async def bots(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del args
    views = await view_bots(desk)
    rows = [_row(view) for view in views]
    titles = "bot,state,symbols,>size,>most,>last,>late p50,>p95,>3 min"
    under = [_more(view, desk.clock.now(), caller.zone) for view in views]
    page: list[Line | Sheet] = [Sheet.of(titles, rows, empty="No bot is configured.", under=under)]
    page += [_burst_warning(view) for view in views if view.burst >= BURST_WARNS]
    shown: Page = tuple(page)
    return CommandResult(True, [asdict(view) for view in views], shown)


async def _rows_since(desk: Desk, since: datetime) -> list[AlertRow]:
    """Newest first: all since then, and older ones as far as they are on the same page."""
    rows: list[AlertRow] = []
    before: str | None = None
    for _ in range(_PAGES):
        page = await desk.journal.recent_alerts(_PAGE, before)
        rows += page
        if len(page) < _PAGE or page[-1].ts < since:
            break
        before = page[-1].alert_id
    return rows


def _view(desk: Desk, bot: BotConfig, rows: Sequence[AlertRow], now: datetime, since: datetime) -> BotView:
    """rows: the bot's, newest first."""
    last = rows[0] if rows else None
    life = life_of(desk.state, bot)
    return BotView(
        name=bot.name,
        account_id=bot.account_id,
        account=account_name(desk, bot.account_id) if bot.account_id is not None else None,
        state=life.what,
        state_text=life.text,
        dialect=bot.dialect.pinned,
        symbols=tuple(sorted(bot.symbols)),
        sides=tuple(sorted(side.value for side in bot.sides)),
        windows=bot.windows,
        size=bot.default_qty,
        sizing=bot.sizing,
        max_position=bot.max_position,
        max_alert_age_s=bot.max_alert_age_s,
        price_bound_pct=bot.price_bound_pct,
        last_alert_id=last.alert_id if last is not None else None,
        last_at=last.ts if last is not None else None,
        last_age_ms=(now - last.ts) / timedelta(milliseconds=1) if last is not None else None,
        alert_version=life.version,
        late_p50_ms=life.late_p50_ms,
        late_p95_ms=life.late_p95_ms,
        late_n=life.late_n,
        heartbeat_s=bot.heartbeat_s,
        heartbeat_due=life.heartbeat_due,
        burst=burst_of(desk.state, bot, now),
        today=dict(Counter(row.verdict for row in rows if row.ts >= since)),
    )


# --- for a person --------------------------------------------------------------------------------------------------


def _row(view: BotView) -> tuple[Cell | str, ...]:
    return (
        Cell(view.name, "bold"),
        Cell(view.state, _COLOURS.get(view.state, "")),
        _symbols(view.symbols),
        str(view.size),
        str(view.max_position),
        age_text(view.last_age_ms),
        age_text(view.late_p50_ms),
        age_text(view.late_p95_ms),
        Cell(str(view.burst), "bold yellow" if view.burst >= BURST_WARNS else ""),
    )


def _symbols(symbols: Sequence[str]) -> str:
    more = len(symbols) - _SHOWN_SYMBOLS
    return " ".join(symbols[:_SHOWN_SYMBOLS]) + (f" +{more}" if more > 0 else "")


def _more(view: BotView, now: datetime, zone: tzinfo | None) -> str:
    parts = [
        f"account {view.account}" if view.account is not None else "no account yet",
        "reads every form" if view.dialect is None else f"reads {view.dialect} only",
        f"{' and '.join(view.sides)}, {windows_text(view.windows)}",
        sizing_text(view.sizing),
        f"entries up to {view.max_alert_age_s:g} s old",
    ]
    if view.state != "armed":
        parts.insert(0, view.state_text)
    if view.alert_version is not None:
        parts.append(f"alert version {view.alert_version}")
    if view.heartbeat_s is not None:
        parts.append(_heartbeat_text(view, now, zone))
    counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(view.today.items()))
    parts.append(f"today {counts or 'no alert'}")
    return "; ".join(parts)


def _heartbeat_text(view: BotView, now: datetime, zone: tzinfo | None) -> str:
    if view.heartbeat_due is None:
        return "no heartbeat yet"
    is_late = " (overdue)" if view.heartbeat_due < now else ""
    when = f"{clock_text(view.heartbeat_due, zone)} {zone_name(view.heartbeat_due, zone)}"
    return f"heartbeat due {day_text(view.heartbeat_due, zone)} {when}{is_late}"


def _burst_warning(view: BotView) -> Line:
    text = (
        f"{view.name}: {view.burst} triggers of one alert in 3 minutes. TradingView switches an alert off that fires more than "
        f"{BURST_STOPS} times in 3 minutes, and it has to be started again by hand."
    )
    return Line(text, "yellow")
