"""The command ``trades``: what was earned, trade by trade and summed up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import tzinfo
from decimal import Decimal

from desk.ledger import Statistics
from desk.runtime.desk import Desk
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.sheet import Cell, Column, Line, Sheet
from desk.surfaces.show import (
    DASH,
    EXCHANGE_ZONE,
    age_text,
    clock_text,
    day_text,
    money_text,
    price_text,
    zone_name,
    zone_names,
)
from desk.surfaces.spans import Span, parse_span
from desk.surfaces.trade_file import write_trades
from desk.surfaces.trade_view import OpenTradeView, TradesView, TradeView, view_trades

__all__ = ["trades"]

MOST_SHOWN = 200  # drawing happens between two alerts
MOST_DAYS = 31


async def trades(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``trades``, ``trades yesterday``, ``trades 2026-11-16 2026-11-20 csv``."""
    words = [arg for arg in args if arg.lower() != "csv"]
    span = parse_span(words, desk.clock.now(), caller.zone)
    found = await view_trades(desk, span)
    page: list[Line | Sheet] = [Line(_headline(span, caller.zone), "bold"), _trade_sheet(desk, found, caller)]
    if len(found.trades) > MOST_SHOWN:
        page.append(Line(f"The newest {MOST_SHOWN} of {len(found.trades):,} are shown; csv writes all.", "dim"))
    if found.open:
        page.append(_open_sheet(desk, found, caller))
    page += [
        Line(f"{t.symbol}: no unrealised P&L, {t.unrealised_note}.", "dim") for t in found.open if t.unrealised_note
    ]
    if found.open:
        page.append(_pnl_sheet(found))
    if len(found.days) > 1:
        page.append(_day_sheet(found))
    page.append(_statistics_sheet(found))
    page += [Line(f"{note}.", "yellow") for note in found.notes]
    if len(words) < len(args):
        caller.say(f"Writing {len(found.trades):,} trades ...")
        directory, name = desk.journal.path.parent, f"trades_{span.name}.csv"
        path = await asyncio.to_thread(write_trades, directory, name, found.trades)
        page.append(Line(f"{len(found.trades):,} closed trades are in {path} (times in UTC)", "green"))
        return CommandResult(True, {"trades": found, "file": str(path)}, tuple(page))
    return CommandResult(True, {"trades": found, "file": None}, tuple(page))


def _headline(span: Span, zone: tzinfo | None) -> str:
    """The span on both clocks."""
    if span.name == "all":
        return "All trades in the journal"
    return f"{span.title}: {_between(span, EXCHANGE_ZONE)}, which is {_between(span, zone)}"


def _between(span: Span, zone: tzinfo | None) -> str:
    first, last = (f"{day_text(at, zone)} {clock_text(at, zone)[:5]}" for at in (span.start, span.end))
    names = zone_name(span.start, zone), zone_name(span.end, zone)
    return f"{first} to {last} {names[0]}" if names[0] == names[1] else f"{first} {names[0]} to {last} {names[1]}"


def _trade_sheet(desk: Desk, found: TradesView, caller: Caller) -> Sheet:
    shown, rows, day = found.trades[-MOST_SHOWN:], [], ""
    for trade in shown:
        this_day = day_text(trade.closed_at, caller.zone)
        account = [trade.account] if len(found.by_account) > 1 else []
        rows.append(
            (this_day if this_day != day else "", *_trade_row(desk, trade, caller), *account, trade.exit_reason)
        )
        day = this_day
    ends = (shown[0].closed_at, shown[-1].closed_at) if shown else (found.start, found.start)
    zone, exchange = zone_names(*ends, caller.zone), zone_names(*ends, EXCHANGE_ZONE)
    titles = (
        f"day,>in {zone},>out {zone},>out {exchange},symbol,side,>qty,>entry,>exit,>gross $,>costs $,>net $,>lasted,why,"
        + ("account,ended by" if len(found.by_account) > 1 else "ended by")
    )
    title = found.by_account[0].account if len(found.by_account) == 1 else ""
    return Sheet.of(titles, rows, title=title, empty="No trade was closed in this time.")


def _trade_row(desk: Desk, trade: TradeView, caller: Caller) -> tuple[Cell | str, ...]:
    contract = desk.catalogue.get(trade.contract_id)
    opened = clock_text(trade.opened_at, caller.zone)
    if trade.opened_at is not None and day_text(trade.opened_at, caller.zone) != day_text(trade.closed_at, caller.zone):
        opened = f"{day_text(trade.opened_at, caller.zone)} {opened}"
    return (
        opened,
        clock_text(trade.closed_at, caller.zone),
        clock_text(trade.closed_at, EXCHANGE_ZONE),
        trade.symbol,
        trade.side,
        str(trade.qty),
        price_text(trade.entry_price, contract),
        price_text(trade.exit_price, contract),
        money_text(trade.gross_usd, is_signed=True),
        money_text(trade.fees_usd + trade.commissions_usd),
        _money_cell(trade.net_usd),
        age_text(trade.duration_ms),
        trade.cause,
    )


def _open_sheet(desk: Desk, found: TradesView, caller: Caller) -> Sheet:
    opened = [trade.opened_at for trade in found.open]
    rows = [_open_row(desk, trade, caller) for trade in found.open]
    titles = (
        f"opened {zone_names(min(opened), max(opened), caller.zone)},symbol,side,>qty,>avg price,>realised $,>costs $,"
        ">unrealised $,>quote age,why,account"
    )
    return Sheet.of(titles, rows, title="Still open")


def _open_row(desk: Desk, trade: OpenTradeView, caller: Caller) -> tuple[Cell | str, ...]:
    return (
        f"{day_text(trade.opened_at, caller.zone)} {clock_text(trade.opened_at, caller.zone)}",
        trade.symbol,
        "long" if trade.qty > 0 else "short",
        str(abs(trade.qty)),
        price_text(trade.avg_price, desk.catalogue.get(trade.contract_id)),
        money_text(trade.realised_usd, is_signed=True),
        money_text(trade.fees_usd + trade.commissions_usd),
        _money_cell(trade.unrealised_usd),
        age_text(trade.mark_age_ms),
        trade.cause,
        trade.account,
    )


def _pnl_sheet(found: TradesView) -> Sheet:
    rows = [
        (
            pnl.account,
            money_text(pnl.realised_usd, is_signed=True),
            money_text(pnl.fees_usd + pnl.commissions_usd),
            _money_cell(pnl.net_usd),
            _money_cell(pnl.unrealised_usd),
        )
        for pnl in found.pnl
    ]
    return Sheet.of("account,>realised $,>costs $,>net $,>unrealised $", rows, title="By account")


def _day_sheet(found: TradesView) -> Sheet:
    rows = [
        (
            f"{day.day:%a %Y-%m-%d}",
            str(day.fills),
            money_text(day.gross_usd, is_signed=True),
            money_text(day.fees_usd + day.commissions_usd),
            _money_cell(day.net_usd),
            day.account,
        )
        for day in found.days[-MOST_DAYS:]
    ]
    return Sheet.of("trading day,>fills,>realised $,>costs $,>net $,account", rows, title="By trading day")


def _statistics_sheet(found: TradesView) -> Sheet:
    """One column for everything, and one per account where there are several."""
    columns = [("all", found.statistics)]
    if len(found.by_account) > 1:
        columns += [(account.account, account.statistics) for account in found.by_account]
    figures = [_figures(statistics) for _, statistics in columns]
    rows = [(Cell(name), *(Cell(column[name]) for column in figures)) for name in figures[0]]
    heads = (Column("statistics"), *(Column(name, is_right=True) for name, _ in columns))
    return Sheet(heads, tuple(rows))


def _figures(s: Statistics) -> dict[str, str]:
    def signed(usd: Decimal | None) -> str:
        return money_text(usd, is_signed=True)

    def pair(a: str, sign: str, b: str) -> str:
        return DASH if a == b == DASH else f"{a} {sign} {b}"

    trips = f"{s.trips}" + (f" (+{s.unknown} without P&L)" if s.unknown else "")
    return {
        "trades": trips,
        "wins / losses / break-even": f"{s.wins} / {s.losses} / {s.break_even}",
        "win rate": DASH if s.win_rate is None else f"{s.win_rate * 100:.1f} %",
        "net total $": signed(s.total_net),
        "gross total $": signed(s.total_gross),
        "fees + commissions $": pair(money_text(s.total_fees), "+", money_text(s.total_commissions)),
        "average net (expectancy) $": signed(s.average_net),
        "average gross $": signed(s.average_gross),
        "average win / loss $": pair(signed(s.average_win), "/", signed(s.average_loss)),
        "largest win / loss $": pair(signed(s.largest_win), "/", signed(s.largest_loss)),
        "profit factor": DASH if s.profit_factor is None else f"{s.profit_factor:.2f}",
        "max drawdown $": money_text(s.max_drawdown),
        "longest winning / losing streak": f"{s.longest_win_streak} / {s.longest_loss_streak}",
        "average duration": age_text(s.average_duration_ms),
    }


def _money_cell(usd: Decimal | None) -> Cell:
    colour = "" if usd is None else ("green" if usd >= 0 else "red")
    return Cell(money_text(usd, is_signed=True), colour)
