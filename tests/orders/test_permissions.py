"""Two kinds of permission, each made in one place."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.plans import ExitPlan, ExitReason, ExitStep
from desk.orders import CancelOrder, PlaceView, Reading, Reducing
from desk.orders import exit as exit_plan
from desk.orders.reducing import close_position
from desk.risk import Approved

DESK = Path(__file__).parents[2] / "desk"
ACCOUNT, CONTRACT = AccountId(1), ContractId("CON.F.US.MNQ.Z26")
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def calls(room: str, names: set[str]) -> list[str]:
    """Where any of ``names`` is called outside ``desk/<room>``."""
    found = []
    for path in sorted(DESK.rglob("*.py")):
        if path.relative_to(DESK).parts[0] == room:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            found += [f"{path.relative_to(DESK)}:{getattr(node, 'lineno', 0)}"] if called in names else []
    return found


def test_only_risk_makes_an_approved() -> None:
    assert calls("risk", {"Approved"}) == []


def test_only_orders_makes_a_reducing() -> None:
    assert [place for place in calls("orders", {"Reducing", "cancel_order"}) if not place.startswith("sim")] == []
    makers = [place for place in calls("orders", {"close_position"}) if not place.startswith(("gateway", "runtime"))]
    assert makers == [], "the gateway's own close_position carries bytes"


def test_a_forged_permission_ends_the_program() -> None:
    with pytest.raises(AssertionError, match=r"only risk\.approve"):
        Approved(object(), None, None)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="only desk/orders"):
        Reducing(object(), "exit:x", ACCOUNT, CONTRACT, CancelOrder(gateway_order_id=GatewayOrderId(1)))


def test_closing_nothing_is_a_mistake_of_the_plan() -> None:
    with pytest.raises(AssertionError, match="a close needs a position"):
        close_position("exit:x", ACCOUNT, CONTRACT, 0)


@pytest.mark.parametrize("step", ExitStep)
def test_an_exit_that_waits_for_nothing_ignores_what_it_did_not_ask_for(step: ExitStep) -> None:
    plan = exit_plan.begin(PlaceView(ACCOUNT, CONTRACT, 2), CauseId("c"), ExitReason.ALERT, NOW).plan
    assert isinstance(plan, ExitPlan)
    plan = type(plan)(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"step": step})
    if step is not ExitStep.READING:
        move = exit_plan.on_snapshot(plan, Reading(asked_at=NOW, qty=2), NOW)
        assert (move.plan, move.reducings) == (plan, ())
    if step is not ExitStep.CLOSING:
        assert exit_plan.on_settled(plan, None, Outcome(kind=OutcomeKind.DONE), NOW).plan == plan
    if step is not ExitStep.WAITING:
        assert exit_plan.on_timer(plan).plan == plan
