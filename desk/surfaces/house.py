"""Commands about the daemon itself: ``status``, ``bot``, ``quit``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import structlog

from desk.alerts import strategy_template
from desk.core.plans import CarePlan
from desk.runtime.desk import Desk, Phase
from desk.surfaces import view
from desk.surfaces.arguments import take_apart
from desk.surfaces.banner import EXAMPLE_STOP_POINTS, curl_lines, timeline_sheet, webhook_url
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.giving import ask_person
from desk.surfaces.plan_words import symbol_of
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import EXCHANGE_ZONE, age_text, clock_text, day_text, mode_words, zone_name

__all__ = ["bot", "leave", "status"]

_QUIT_USAGE = "quit [yes]"

log = structlog.get_logger()
_PHASES = {
    Phase.STARTING: "starting: alerts are journalled and held until accounts agree with the gateway",
    Phase.READY: "ready: alerts are decided at once",
    Phase.STOPPING: "stopping: the doors answer 503, protective stops stay at the venue",
}


async def status(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Everything that decides whether an alert would trade now."""
    del args
    now, state = desk.clock.now(), view.state_view(desk)
    up_ms = (now - desk.started_at) / timedelta(milliseconds=1)
    accounts = f"{sum(a.is_reconciled for a in state.accounts)} of {len(state.accounts)} agree with the gateway"
    hub = Cell("up", "green") if state.user_hub_is_up else Cell("down: orders and fills are not reported", "red")
    rows: list[tuple[Cell | str, ...]] = [
        ("mode", Cell(mode_words(desk.mode)[1], "bold")),
        ("phase", _phase_words(desk.phase, is_agreed=all(a.is_reconciled for a in state.accounts))),
        ("version", f"{desk.version}, up {age_text(up_ms)}"),
        ("user hub", hub),
        ("accounts", Cell(accounts, "" if all(a.is_reconciled for a in state.accounts) else "yellow")),
        ("contracts", f"{len(desk.catalogue)} known"),
        ("history", f"{desk.history.bars_in_memory:,} bars in memory"),
        ("held alerts", str(state.held)),
        ("running plans", ", ".join(f"{p.kind} {p.symbol or p.account_id}" for p in state.plans) or "none"),
        ("webhook", f"{caller.urls.public} (bot shows the whole URL)"),
        ("API", caller.urls.private),
        ("time", _time_words(now, caller.zone)),
        ("exchange time", _time_words(now, EXCHANGE_ZONE)),
        ("gateway clock", _offset_words(desk.clock_offset())),
    ]
    page: list[Line | Sheet] = [Sheet.of("what,is", rows)]
    page += [Line(f"{part}: {what}", "red") for part, what in sorted(desk.troubles.items())]
    page.append(timeline_sheet(desk))
    steps = [{"name": s.name, "began_ms": round(s.began_s * 1000, 1), "took_ms": round(s.took_ms, 1),
              "is_running": s.is_running, "progress": s.progress, "error": s.error, "meaning": s.meaning}
             for s in desk.steps]  # fmt: skip
    return CommandResult(True, {"state": state, "up_s": round(up_ms / 1000), "steps": steps}, tuple(page))


def _phase_words(phase: Phase, *, is_agreed: bool) -> Cell:
    if phase is Phase.READY and not is_agreed:
        return Cell("ready, but alerts are held until their account agrees with the gateway", "yellow")
    return Cell(_PHASES[phase], "green" if phase is Phase.READY else "yellow")


def _time_words(now: datetime, zone: tzinfo | None) -> str:
    return f"{day_text(now, zone)} {clock_text(now, zone)} {zone_name(now, zone)}"


def _offset_words(offset_s: float | None) -> Cell:
    """Beyond two seconds one of the clocks is wrong: alerts are aged by ours."""
    if offset_s is None:
        return Cell("not compared yet")
    if abs(offset_s) < 2:
        return Cell("agrees with ours")
    where = "ahead of" if offset_s > 0 else "behind"
    return Cell(f"{abs(offset_s):,.0f} s {where} ours: set this computer's clock", "yellow")


async def bot(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """How to reach the default bot. Shows its secret: it is what must be pasted."""
    del args
    if not desk.bots:
        raise BadCall("No bot is configured: set WEBHOOK_TOKEN and start again")
    door = desk.bots[0]
    url = webhook_url(caller.urls.public, door.token)
    template = strategy_template(door.name, None, EXAMPLE_STOP_POINTS)
    curls = curl_lines(desk, caller.urls.public, door)
    page: Page = (
        Line(f"Bot {door.name}. Whoever knows this URL can trade with it: {url}", is_copied=True),
        Line("In TradingView the path stays, the front is your tunnel's address. Ports 80 and 443 only.", "dim"),
        Line("Message for a strategy alert:", "bold"),
        *(Line(f"  {text}", is_copied=True) for text in template.splitlines()),
        Line(
            f"  Set the stop to your own distance: every entry needs one, and {EXAMPLE_STOP_POINTS} points is an example.",
            "dim",
        ),
        Line(f"  Others: template {door.name} indicator, exit, heartbeat. What one would do: explain.", "dim"),
        Line("Try it (one order, a second paste is a duplicate):", "bold"),
        *(Line(text, is_copied=True) for text in curls),
    )
    data = {"bot": door.name, "url": url, "template": template, "curl": curls[0] if curls else None}
    return CommandResult(True, data, page)


async def leave(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Asks in the console where something ends, or stays in danger, with the daemon."""
    asked = take_apart(args, (), _QUIT_USAGE)
    asked.of_length(0)
    ends = _what_ends(desk)
    if ends:
        answer = await ask_person(caller, f"Stop the daemon: {'; '.join(ends)}.", has_yes=asked.has_yes)
        if answer is not None:
            return answer
    log.info("stop.asked", by=caller.by)
    desk.stop.set()
    return CommandResult(True, {"stopping": True}, (Line("Stopping. Protective stops stay at the venue."),))


def _what_ends(desk: Desk) -> list[str]:
    """What the venue does not go on with by itself."""
    words = [
        f"{p.symbol} {p.qty:+d} in {p.account} stays open WITHOUT A STOP"
        for p in view.view_positions(desk)
        if not p.is_protected
    ]
    resting = sum(1 for order in view.view_orders(desk) if order.role == "entry")
    if resting:
        words.append("1 resting entry is cancelled" if resting == 1 else f"{resting} resting entries are cancelled")
    waiting = len(view.view_waiting(desk))
    if waiting:
        what = (
            "1 order that waits for its price is" if waiting == 1 else f"{waiting} orders that wait for their price are"
        )
        words.append(f"{what} dropped")
    cares = [plan for plan in desk.state.plans.values() if isinstance(plan, CarePlan)]
    cared = sorted({symbol_of(desk, p.contract_id) for p in cares if p.care.trail or _is_break_even_to_come(p)})
    if cared:
        words.append(f"break-even and trailing of {', '.join(cared)} rest until the next start")
    return words


def _is_break_even_to_come(plan: CarePlan) -> bool:
    return plan.care.breakeven is not None and not plan.is_at_break_even
