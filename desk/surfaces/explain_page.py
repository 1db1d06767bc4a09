"""An explanation for a person: aligned, fit for 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from desk.core.words import Contract
from desk.surfaces.explain import Explained, Explanation
from desk.surfaces.explain_orders import Part
from desk.surfaces.explain_rules import NOT_REACHED, Answer, Finding
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import EXCHANGE_ZONE, clock_text, day_text, money_text, price_text, zone_name

__all__ = ["explained_page"]

_MARKS = {
    Answer.PASS: Cell("ok", "green"),
    Answer.FAIL: Cell("NO", "bold red"),
    Answer.UNKNOWN: Cell("?", "yellow"),
    Answer.NOT_ASKED: Cell("-", "dim"),
}
_COLOURS = {"accepted": "bold green", "held": "bold yellow", "would_send": "bold cyan"}


def explained_page(told: Explained, contracts: Iterable[Contract], zone: tzinfo | None) -> Page:
    """contracts: whose decimals prices are written with. zone: of the time at the top."""
    by_name = {contract.name: contract for contract in contracts}
    page: list[Line | Sheet] = []
    for number, message in enumerate(told.messages, start=1):
        if len(told.messages) > 1:
            page.append(Line(f"Message {number} of {len(told.messages)}", "bold"))
        page += _message(message, by_name.get(message.contract or ""))
        page.append(Line(""))
    page += [Line(f"Assumed: {text}", "yellow") for text in told.assumed]
    page.append(Line(f"Nothing was sent, kept or changed. Decided as of {_time(told.at, zone)}.", "dim"))
    return tuple(page)


def _time(at: datetime, zone: tzinfo | None) -> str:
    there = f"{clock_text(at, EXCHANGE_ZONE)} {zone_name(at, EXCHANGE_ZONE)}"
    return f"{day_text(at, zone)} {clock_text(at, zone)} {zone_name(at, zone)} ({there})"


def _message(message: Explanation, contract: Contract | None) -> Iterator[Line | Sheet]:
    reason = f" {message.reason}" if message.reason else ""
    text = f": {message.text}" if message.text else ""
    yield Line(f"{message.verdict}{reason}{text}", _COLOURS.get(message.verdict, "bold red"))
    if message.canonical is not None:
        yield Line("")
        form = "our own form" if message.dialect == "desk" else f"{message.dialect}, in our own form"
        yield Line(f"It says ({form})", "bold")
        yield Sheet.of("field,value", _canonical(message.canonical))
    if message.would is not None:
        yield Line("")
        yield Line("It sends" if message.sends else "It would do this, if every rule below said yes", "bold")
        if message.would != message.text:
            yield Line(message.would)
    if message.orders:
        yield Sheet.of("what,side,>qty,type,>price,>ticks,>points,>$ each,>$ all", _rows(message.orders, contract))
        yield from (Line(f"{part.what}: {part.note}", "dim") for part in message.orders if part.note)
        if any(part.is_about and part.price is not None for part in message.orders):
            yield Line("~ moves with the market until the fill; ticks and dollars stay.", "dim")
        if message.sums:
            yield Line(message.sums)
    yield Line("")
    yield Line("What the rules say", "bold")
    yield Sheet.of("rule,,because", _rules(message.rules))
    yield from (Line(f"Warning: {text}", "yellow") for text in message.warnings)


def _canonical(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        if name == "targets" and isinstance(value, list):
            for index, target in enumerate(value):
                yield f"targets[{index}]", _value(target)
        else:
            yield name, _value(value)


def _value(value: object) -> str:
    """``unit points, value 20``: without the brackets and quotes of JSON."""
    match value:
        case dict():
            if set(value) == {"unit", "value"}:
                return f"{_value(value['value'])} {value['unit']}"
            return ", ".join(f"{name} {_value(inner)}" for name, inner in value.items())
        case list():
            return "; ".join(map(_value, value))
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _rows(orders: Sequence[Part], contract: Contract | None) -> Iterator[tuple[str, ...]]:
    for part in orders:
        price = "" if part.price is None else ("~" if part.is_about else "") + price_text(part.price, contract)
        yield (
            part.what,
            part.side or "",
            str(part.qty or ""),
            part.type or "",
            price,
            "" if part.ticks is None else str(part.ticks),
            "" if part.points is None else f"{part.points.normalize():f}",
            "" if part.usd_each is None else money_text(part.usd_each),
            "" if part.usd_total is None else money_text(part.usd_total),
        )


def _rules(rules: Sequence[Finding]) -> Iterator[tuple[Cell | str, ...]]:
    """A row for each answer, and one for all that were skipped for the same reason."""
    skipped: dict[tuple[Answer, str], list[str]] = {}
    for rule in rules:
        if rule.answer is Answer.NOT_ASKED or (rule.answer is Answer.UNKNOWN and rule.text == NOT_REACHED):
            skipped.setdefault((rule.answer, rule.text), []).append(rule.rule)
            continue
        reason = f"{rule.reason}: " if rule.reason else ""
        yield rule.rule, _MARKS[rule.answer], f"{reason}{rule.text}"
    for (answer, text), names in skipped.items():
        yield (
            Cell("the rest" if len(names) > 1 else names[0], "dim"),
            _MARKS[answer],
            Cell(_skipped(text, names), "dim"),
        )


def _skipped(text: str, names: Sequence[str]) -> str:
    return f"{text}: {', '.join(names)}" if len(names) > 1 else text
