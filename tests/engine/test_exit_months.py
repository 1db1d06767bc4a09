"""In the roll week chart and gateway name different months: what opens is refused, what gets out never is (reference 9.3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from desk.core.alert import Action, Alert, AlertPolicy, AlertPosition, PositionSide
from desk.core.ids import ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.records import VerdictKind
from desk.core.words import OrderType, Side
from desk.engine import Context
from tests.engine.test_signals_order import STOP, sent
from tests.engine.test_world import calm, ready
from tests.engine.world import ACCOUNT, MNQ, PLACE, World, enter, exit_, opens

H27 = ContractId("CON.F.US.MNQ.H27")
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


AGAINST = [
    sent(2, -2),
    Alert(action=Action.REVERSE, symbol="MNQ1!", stop=STOP),
    Alert(action=Action.ENTER_SHORT, symbol="MNQ1!", stop=STOP, policy=AlertPolicy(opposite="reverse")),
    Alert(action=Action.SET_POSITION, symbol="MNQ1!", stop=STOP, position=AlertPosition(now=PositionSide.SHORT)),
]


@pytest.mark.parametrize("message", AGAINST)
@pytest.mark.parametrize("symbol", NOT_LISTED)
def test_a_way_to_the_other_side_closes_and_says_why_it_did_not_enter(symbol: str, message: Alert) -> None:
    world = holding()
    verdict = world.alert(named(message, symbol))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "closing only, the entry on the other side is refused: UNKNOWN_SYMBOL" in verdict.warnings[-1]
    assert "Listed: MNQZ6" in verdict.warnings[-1]
    assert calm(world).venue.qty(PLACE) == 0
    assert len(world.entries()) == 1


@pytest.mark.parametrize("message", AGAINST)
def test_so_it_does_when_it_came_before_the_account_was_known(message: Alert) -> None:
    world = holding()
    world.hub(False)
    assert world.alert(named(message, "MNQH2027")).kind is VerdictKind.HELD
    world.hub(True)
    assert calm(world).venue.qty(PLACE) == 0
    assert len(world.entries()) == 1


@pytest.mark.parametrize(
    "message",
    [
        enter(),
        sent(2, 2),
        sent(2, 3),
        Alert(action=Action.ADD, symbol="MNQ1!", stop=STOP),
        enter("enter_long", policy=AlertPolicy(same="replace")),
        enter("enter_short", policy=AlertPolicy(opposite="ignore")),
        enter("enter_short"),
    ],
)
def test_what_closes_nothing_is_refused_beside_a_position(message: Alert) -> None:
    world = holding()
    assert world.alert(named(message, "MNQH2027")).reason == "UNKNOWN_SYMBOL"
    assert calm(world).venue.qty(PLACE) == 2
    assert len(world.entries()) == 1


def test_a_target_that_is_smaller_reduces() -> None:
    world = holding()
    assert world.alert(named(sent(2, 1), "MNQH2027")).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 1


def test_from_flat_it_is_an_entry_and_refused() -> None:
    world = ready()
    for message in AGAINST:
        assert world.alert(named(message, "MNQH2027")).reason == "UNKNOWN_SYMBOL"
    assert calm(world).entries() == []


def test_what_is_held_goes_also_when_no_month_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    world = holding()
    monkeypatch.setattr("tests.engine.world.MNQ", msgspec.structs.replace(MNQ, is_active=False))
    assert world.alert(exit_()).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 0
    assert world.alert(enter()).reason == "UNKNOWN_SYMBOL"


class Rolled(World):
    """The gateway's active month is the next one; the old one stays known, for what is in it."""

    has_rolled = False

    @property
    def context(self) -> Context:
        old, new = (
            msgspec.structs.replace(MNQ, is_active=False),
            msgspec.structs.replace(MNQ, contract_id=H27, name="MNQH7"),
        )
        known = super().context
        return replace(known, contracts={c.contract_id: c for c in (old, new)}) if self.has_rolled else known


@pytest.mark.parametrize("action", [Action.EXIT, Action.FLATTEN, Action.CANCEL])
def test_what_gets_out_ends_the_entry_that_rests_in_the_old_month(action: Action) -> None:
    """Cause: only a position made the old month the one that was meant; the entry filled days later, and nobody wanted it."""
    world = Rolled()
    world.run(3)
    world.command(opens(type=OrderType.LIMIT, limit_price=Decimal(19990)))
    world.run(2)
    assert len(world.resting()) == 1
    world.has_rolled = True
    assert world.alert(Alert(action=action, symbol="CME_MINI:MNQ1!")).kind is VerdictKind.ACCEPTED
    calm(world)
    assert world.resting() == []


@pytest.mark.parametrize("action", [Action.EXIT, Action.FLATTEN, Action.CANCEL])
def test_so_it_does_beside_what_a_person_has_resting_in_the_new_month(action: Action) -> None:
    """Cause: that order made the new month the one in which something is in play; there was nothing to get out of."""
    world = Rolled()
    world.run(3)
    world.command(opens(type=OrderType.LIMIT, limit_price=Decimal(19990)))
    by_hand = OrderRequest(
        client_order_id=ClientOrderId("hand"),
        account_id=ACCOUNT,
        contract_id=H27,
        type=OrderType.LIMIT,
        side=Side.BUY,
        qty=1,
        limit_price=Decimal(19990),
    )
    world.venue.place(by_hand)
    world.publish()
    world.run(2)
    world.has_rolled = True
    assert world.alert(Alert(action=action, symbol="CME_MINI:MNQ1!")).kind is VerdictKind.ACCEPTED
    world.run(30)
    assert world.resting() == []
    assert len(world.venue.working((ACCOUNT, H27))) == 1
