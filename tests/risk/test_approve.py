"""The one gate in front of every opening order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.words import Account, Contract, OrderType, Side
from desk.risk import AccountView, Approved, Denied, Limits, Reason, approve

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
CONTRACT = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)
ACCOUNT = Account(account_id=AccountId(1), name="PRACTICE", balance=Decimal(50000), can_trade=True)
VIEW = AccountView(
    account=ACCOUNT,
    is_reconciled=True,
    position_qty=0,
    opening_qty=0,
    has_exit_running=False,
    unprotected=None,
    is_stopping=False,
)
ORDER = OrderRequest(
    client_order_id=ClientOrderId("dsk-1"),
    account_id=AccountId(1),
    contract_id=CONTRACT.contract_id,
    type=OrderType.MARKET,
    side=Side.BUY,
    qty=2,
    stop_ticks=80,
    target_ticks=160,
)
LIMITS = Limits(max_position=2)


def decide(order: OrderRequest = ORDER, view: AccountView = VIEW, contract: Contract = CONTRACT) -> Approved | Denied:
    return approve(order, contract, view, LIMITS, NOW + timedelta(seconds=15), NOW)


def test_what_breaks_no_rule_is_approved_as_asked() -> None:
    answer = decide()
    assert isinstance(answer, Approved)
    assert answer.order == ORDER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_stopping": True}, Reason.STOPPING),
        ({"is_journal_ok": False}, Reason.JOURNAL_DOWN),
        ({"is_budget_low": True}, Reason.BUDGET_LOW),
        ({"account": None}, Reason.ACCOUNT_UNKNOWN),
        ({"is_reconciled": False}, Reason.NOT_RECONCILED),
        ({"account": msgspec.structs.replace(ACCOUNT, can_trade=False)}, Reason.ACCOUNT_LOCKED),
        ({"has_exit_running": True}, Reason.EXIT_RUNNING),
        ({"orphan_orders": 1}, Reason.ORPHAN_ORDERS),
        ({"unprotected": "CON.F.US.MES.Z26"}, Reason.UNPROTECTED),
        ({"selling_qty": 1}, Reason.OPPOSITE_ENTRY),
        ({"brackets_refused_at": NOW - timedelta(seconds=59)}, Reason.POSITION_BRACKETS),
        ({"position_qty": -1}, Reason.OPPOSITE_POSITION),
        ({"position_qty": 1}, Reason.MAX_POSITION),
        ({"opening_qty": 1}, Reason.MAX_POSITION),
    ],
)
def test_a_moment_that_does_not_allow_it_is_named(changes: dict[str, object], reason: Reason) -> None:
    answer = decide(view=replace(VIEW, **changes))  # type: ignore[arg-type]
    assert isinstance(answer, Denied)
    assert answer.reason is reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qty": 0}, Reason.BAD_SIZE),
        ({"qty": -2}, Reason.BAD_SIZE),
        ({"stop_ticks": None}, Reason.NO_STOP),
        ({"stop_ticks": 3}, Reason.STOP_TOO_CLOSE),
        ({"stop_ticks": 1001}, Reason.STOP_TOO_FAR),
        ({"target_ticks": 3}, Reason.TARGET_TOO_CLOSE),
        ({"qty": 3}, Reason.MAX_POSITION),
    ],
)
def test_an_order_that_does_not_fit_is_named(changes: dict[str, object], reason: Reason) -> None:
    answer = decide(msgspec.structs.replace(ORDER, **changes))
    assert isinstance(answer, Denied)
    assert answer.reason is reason


def test_an_inactive_contract_is_not_opened() -> None:
    answer = decide(contract=msgspec.structs.replace(CONTRACT, is_active=False))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.CONTRACT_INACTIVE


@pytest.mark.parametrize(("late_s", "is_taken"), [(0, True), (-1, True), (0.001, False)])
def test_an_entry_past_its_age_is_not_taken(late_s: float, is_taken: bool) -> None:
    answer = approve(ORDER, CONTRACT, VIEW, LIMITS, NOW - timedelta(seconds=late_s), NOW)
    assert isinstance(answer, Approved) is is_taken


@given(
    order=st.builds(
        lambda side, qty, stop, target: msgspec.structs.replace(
            ORDER, side=side, qty=qty, stop_ticks=stop, target_ticks=target
        ),
        st.sampled_from(Side),
        st.integers(-2, 20),
        st.none() | st.integers(-5, 2000),
        st.none() | st.integers(-5, 2000),
    ),
    view=st.builds(
        AccountView,
        account=st.sampled_from([ACCOUNT, None, msgspec.structs.replace(ACCOUNT, can_trade=False)]),
        is_reconciled=st.booleans(),
        position_qty=st.integers(-20, 20),
        opening_qty=st.integers(0, 20),
        has_exit_running=st.booleans(),
        unprotected=st.none() | st.just("x"),
        is_stopping=st.booleans(),
        is_journal_ok=st.booleans(),
        orphan_orders=st.integers(0, 2),
    ),
    most=st.integers(0, 30),
    late_s=st.integers(-20, 20),
)
def test_no_approved_order_breaches_a_limit(order: OrderRequest, view: AccountView, most: int, late_s: int) -> None:
    answer = approve(order, CONTRACT, view, Limits(most), NOW - timedelta(seconds=late_s), NOW)
    if isinstance(answer, Denied):
        assert answer.text
        return
    assert 1 <= order.qty <= most - abs(view.position_qty) - view.opening_qty
    assert view.position_qty * order.side.sign >= 0
    assert order.stop_ticks is not None
    assert 4 <= order.stop_ticks <= 1000
    assert order.target_ticks is None or order.target_ticks >= 4
    assert view.account is not None
    assert view.account.can_trade
    assert view.is_reconciled
    assert view.is_journal_ok
    assert not any((view.is_stopping, view.has_exit_running, view.unprotected, view.orphan_orders))
    assert late_s <= 0


def test_a_minute_after_the_last_refusal_of_brackets_one_entry_may_try() -> None:
    for age_s, is_taken in ((0, False), (59.9, False), (60, True)):
        answer = decide(view=replace(VIEW, brackets_refused_at=NOW - timedelta(seconds=age_s)))
        assert isinstance(answer, Approved) is is_taken
        assert is_taken or "Auto OCO Brackets" in getattr(answer, "text", "")


def test_entries_of_its_own_side_do_not_stand_against_an_entry() -> None:
    view = replace(VIEW, buying_qty=2, opening_qty=0)
    assert isinstance(decide(view=view), Approved)
    sell = msgspec.structs.replace(ORDER, side=Side.SELL)
    assert isinstance(decide(sell, view), Denied)
