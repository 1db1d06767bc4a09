"""In the roll week chart and gateway name different months: what opens is refused, what gets out never is (reference 9.3)."""

from __future__ import annotations

import msgspec
import pytest

from desk.core.alert import Action, Alert
from desk.core.records import VerdictKind
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, World, enter, exit_

NOT_LISTED = ["MNQH2027", "CME_MINI:MNQH27", "MNQ 03-27", "MNQ2!", "CON.F.US.MNQ.U26", "CME_MINI_DL:MNQU6"]


def holding() -> World:
    world = ready()
    world.alert(enter())
    world.run(3)
    assert world.venue.qty(PLACE) == 2
    return world


def named(alert: Alert, symbol: str) -> Alert:
    return msgspec.structs.replace(alert, symbol=symbol)


@pytest.mark.parametrize("symbol", NOT_LISTED)
def test_an_exit_gets_out_of_what_is_held_whatever_month_it_names(symbol: str) -> None:
    world = holding()
    assert world.alert(named(exit_(), symbol)).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 0


@pytest.mark.parametrize("symbol", NOT_LISTED)
def test_an_entry_is_refused_and_never_made_in_another_month(symbol: str) -> None:
    world = ready()
    verdict = world.alert(named(enter(), symbol))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "UNKNOWN_SYMBOL")
    assert "Listed: MNQZ6" in verdict.text
    assert calm(world).entries() == []


@pytest.mark.parametrize("action", [Action.FLATTEN, Action.EXIT_LONG, Action.CANCEL])
def test_so_do_its_relatives(action: Action) -> None:
    world = holding()
    assert world.alert(Alert(action=action, symbol="MNQH2027")).kind is not VerdictKind.DENIED
    assert calm(world).venue.qty(PLACE) == (2 if action is Action.CANCEL else 0)


@pytest.mark.parametrize("symbol", ["ESZ2026", "XYZ1!", "MNQ1!-ES1!"])
def test_an_exit_of_another_product_or_of_none_is_refused(symbol: str) -> None:
    world = holding()
    assert world.alert(named(exit_(), symbol)).reason == "UNKNOWN_SYMBOL"
    assert calm(world).venue.qty(PLACE) == 2
