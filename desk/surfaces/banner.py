"""What is printed when the daemon is up: the mode, how the start went, accounts, both URLs, and a line to try it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from desk.alerts import example_alert
from desk.core.secret import Secret
from desk.core.symbols import ROOTS, root_of_contract
from desk.core.words import Contract
from desk.runtime.desk import BotDoor, Desk, StartStep
from desk.surfaces.calls import Urls
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, mode_words
from desk.surfaces.trading import account_sheet

__all__ = ["EXAMPLE_STOP_POINTS", "banner_page", "curl_lines", "timeline_sheet", "webhook_url"]

BAR_WIDTH = 30
EXAMPLE_QTY = 2
EXAMPLE_STOP_POINTS = Decimal(20)
EXAMPLE_TARGET_POINTS = Decimal(40)
_FIRST_CHOICE = "MNQ"


def banner_page(desk: Desk, urls: Urls, *, is_kept: bool = False) -> Page:
    """is_kept: what is printed goes into a file, where a live secret must not be."""
    mode, sentence = mode_words(desk.mode)
    where = urls.api_token_file or "the setting API_TOKEN"
    page: list[Line | Sheet] = [
        Line(""),
        Line(f"  {sentence}  ", "bold black on green" if mode == "PAPER" else "bold white on red"),
        Line(""),
        timeline_sheet(desk),
        *(Line(f"{part}: {what}", "red") for part, what in sorted(desk.troubles.items())),
        Line(""),
        account_sheet(desk),
        Line(""),
        Line(f"Webhook  {urls.public}/tv/<WEBHOOK_TOKEN>   (POST; the command bot shows it in full)"),
        Line(f"API      {urls.private}/api/state   (Authorization: Bearer <API_TOKEN>)"),
        Line(f"         The API token is in {where}"),
    ]
    if desk.bots and not (is_kept and mode != "PAPER"):
        curls = curl_lines(desk, urls.public, desk.bots[0])
        if curls:
            page += [
                Line(""),
                Line("Try it, in another terminal:", "bold"),
                *(Line(text, is_copied=True) for text in curls),
            ]
    return tuple(page)


def timeline_sheet(desk: Desk) -> Sheet:
    """The parts of the start with their times, which ones overlapped, and what a failed one means."""
    rows = [_step_row(step, desk.steps) for step in desk.steps]
    return Sheet.of("start,>began ms,>took ms,at the same time as,,", rows, empty="The start has not begun yet.")


def _step_row(step: StartStep, steps: Sequence[StartStep]) -> tuple[Cell | str, ...]:
    others = [other.name for other in steps if other is not step and _do_overlap(step, other)]
    outcome = Cell("ok", "green")
    if step.is_running:
        how_far = f"{step.progress}, " if step.progress else ""
        outcome = Cell(f"running, {how_far}ready does not wait for it", "yellow")
    if step.error is not None:
        outcome = Cell(f"FAILED: {step.error}" + (f" ({step.meaning})" if step.meaning else ""), "red")
    return (
        step.name,
        f"{step.began_s * 1000:.0f}",
        DASH if step.is_running else f"{step.took_ms:.0f}",
        ", ".join(others) or DASH,
        Cell(_bar(step, max(s.ended_s for s in steps)), "cyan"),
        outcome,
    )


def _do_overlap(a: StartStep, b: StartStep) -> bool:
    return (a.began_s < b.ended_s or b.is_running) and (b.began_s < a.ended_s or a.is_running)


def _bar(step: StartStep, end_s: float) -> str:
    """The step on a line from the login's beginning to the last step's end."""
    scale = BAR_WIDTH / end_s if end_s > 0 else 0.0
    start = min(BAR_WIDTH - 1, int(max(0.0, step.began_s) * scale))
    took_s = end_s if step.is_running else step.ended_s - step.began_s
    length = max(1, min(BAR_WIDTH - start, round(took_s * scale)))
    return ("." * start + "#" * length).ljust(BAR_WIDTH, ".")


def webhook_url(public_url: str, token: Secret) -> str:
    """The address to paste into TradingView. Holds the secret: for the terminal and the private door only."""
    return f"{public_url}/tv/{token.reveal()}"


def curl_lines(desk: Desk, public_url: str, door: BotDoor) -> list[str]:
    """Commands that post an example alert: for a POSIX shell; on Windows for PowerShell first. Empty: nothing to trade.

    The message carries no time of sending, for it may be pasted minutes later; its id makes a second paste a duplicate.
    """
    contract = _example_contract(desk)
    if contract is None:
        return []
    symbol = ROOTS[root_of_contract(contract.symbol_id)].tradingview
    example = example_alert(symbol, EXAMPLE_QTY, EXAMPLE_STOP_POINTS, EXAMPLE_TARGET_POINTS, desk.clock.now())
    message: dict[str, object] = msgspec.json.decode(example)
    message.pop("fired_at", None)
    body = msgspec.json.encode(message).decode()
    url = webhook_url(public_url, door.token)
    posix = f"curl -sS -X POST {shlex.quote(url)} -H 'Content-Type: application/json' --data {shlex.quote(body)}"
    if os.name != "nt":
        return [posix]
    url, body = url.replace("'", "''"), body.replace("'", "''")
    power = f"Invoke-RestMethod -Method Post -Uri '{url}' -ContentType 'application/json' -Body '{body}'"
    return [power, f"(in a POSIX shell: {posix})"]


def _example_contract(desk: Desk) -> Contract | None:
    """MNQ where the gateway lists it, else the first active contract."""
    active = sorted((c for c in desk.catalogue.values() if c.is_active), key=lambda c: c.name)
    known = [c for c in active if c.symbol_id in {product.symbol_id for product in ROOTS.values()}]
    first = [c for c in known if root_of_contract(c.symbol_id) == _FIRST_CHOICE]
    return next(iter(first or known), None)
