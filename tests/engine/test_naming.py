"""What a person reads names contracts as the exchange does, and prices with the decimals of their tick."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from desk.core.intents import Cancel, Modify
from desk.core.orders import Role
from desk.core.records import IncidentRaised, PlanEnded, VerdictKind
from desk.core.words import OrderType, Side
from desk.engine.naming import price_text
from tests.engine.caring import holding
from tests.engine.hands import staged, trade_by_hand
from tests.engine.test_entries import quoted, roomy
from tests.engine.venue import PRICE
from tests.engine.world import MNQ, NOON, World, opens


def told(world: World) -> list[str]:
    texts = [record.text for record in world.journal if isinstance(record, IncidentRaised)]
    return texts + [record.result for record in world.journal if isinstance(record, PlanEnded)]


@pytest.mark.parametrize(
    ("price", "text"), [("20010", "20010.00"), ("20010.250", "20010.25"), ("2E+4", "20000.00"), ("1.3755", "1.3755")]
)
def test_a_price_has_the_decimals_of_its_tick(price: str, text: str) -> None:
    assert MNQ.price_text(Decimal(price)) == text


def test_what_is_not_in_the_catalogue_keeps_its_id_and_its_price() -> None:
    world = World(has_contracts=False)
    assert price_text(Decimal("1.50"), MNQ.contract_id, world.context) == "1.50"
    assert price_text(Decimal(1), MNQ.contract_id, roomy().context) == "1.00"


def test_an_entry_that_expires_is_told_by_name() -> None:
    until = NOON + timedelta(seconds=20)
    world = quoted()
    world.command(opens(type=OrderType.LIMIT, limit_price=Decimal(19990), expires_at=until))
    world.command(opens(touch_price=Decimal(20010), expires_at=until))
    world.run(60)
    texts = told(world)
    assert any("buy 2 MNQZ6 limit at 19990.00" in text for text in texts), texts
    assert any("buy 2 MNQZ6 at a touch of 20010.00" in text for text in texts), texts
    assert not any(MNQ.contract_id in text for text in texts)


def test_orders_of_others_are_told_by_name() -> None:
    world = staged(2)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 50)
    trade_by_hand(world, Side.BUY, 1)
    world.run(20)
    texts = told(world)
    assert any(text.startswith("MNQZ6: stop sell 2 at 19950.00") for text in texts), texts
    assert any(text.startswith("MNQZ6: 1 of 3 contracts at 20000.00") for text in texts), texts
    assert not any(MNQ.contract_id in text for text in texts)


def test_verdicts_name_the_contract() -> None:
    world = holding()
    world.ticks(0)
    stop, target = (world.leg(role).gateway_order_id for role in (Role.STOP, Role.TARGET))
    moved = world.command(Modify(order_id=target, price=Decimal(20030)))
    assert moved.kind is VerdictKind.ACCEPTED
    assert moved.text.endswith("(sell 2 MNQZ6) from 20040.00 to 20030.00")
    assert "MNQZ6" in world.command(Cancel(order_ids=(stop,))).text
    assert world.command(Modify(order_id=stop, price=Decimal(19979))).text.endswith("stop is at 19980.00")
