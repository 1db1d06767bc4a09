"""The chaos run in short, and the laws on logs that break them: a law that cannot be broken proves nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.records import Verdict, VerdictKind
from desk.core.words import OrderType, Side
from tests.chaos.books import Books, Decided
from tests.chaos.dialects import DIALECTS
from tests.chaos.messages import Message, Messages
from tests.chaos.proof import Evidence, Proof, prove
from tests.chaos.run import Plan, run
from tests.chaos.sender import Delivery
from tests.chaos.spans import Span, both, minus, seconds
from tests.chaos.venue import read_venue
from tests.daemon import MNQ, SCALE

ACCOUNT = 21000001
T0 = 1_795_000_000.0
TAG = "dsk-one"
ENTRY, STOP, TARGET, AGAIN, OTHER_STOP = 10, 11, 12, 20, 21
LEAVES, WAKES = 2, 1


@pytest.mark.timeout(240 * SCALE)
async def test_five_hundred_alerts_and_three_kills_lose_double_orphan_and_bare_nothing(tmp_path: Path) -> None:
    plan = Plan(seed=3, alerts=500, kills=3, accounts=3, rate=60, true_alerts=0, expire_every_s=8)
    outcome = await run(plan, tmp_path)
    print(outcome.text)
    assert outcome.is_good, outcome.text
    assert outcome.proof.answered == outcome.proof.sent == 500
    assert outcome.proof.found > 15
    assert sum(outcome.kills.values()) == 3
    assert outcome.venue.faults["tokens.expired"] > 0
    assert len(outcome.venue.faults) > 12, "the storm had its faults"
    assert set(DIALECTS) <= outcome.proof.dialects.keys(), "every form was sent"


def test_messages_are_a_function_of_their_seed() -> None:
    def made(seed: int) -> list[tuple[Any, ...]]:
        messages = Messages(seed, [1, 2], dict.fromkeys(("MNQ", "MES"), 1))  # type: ignore[arg-type]
        return [(m.number, m.kind, m.due_s, str(m.members)) for m in messages.phase(500, 10)]

    assert made(1) == made(1) != made(2)
    kinds = Counter(kind for _, kind, _, _ in made(1))
    assert {"long", "short", "goal", "exit", "flatten", "note", "repeat"} <= kinds.keys()
    assert 10 < kinds["repeat"] < 50


# -- the laws on made-up logs ------------------------------------------------------------------------------------------


def stamp(after_s: float) -> str:
    return datetime.fromtimestamp(T0 + after_s, UTC).isoformat()


def order(after_s: float, number: int, status: int, **more: Any) -> dict[str, Any]:
    """A row of the simulator's log: the entry, or one of its legs."""
    own: dict[str, Any] = {"type": 1 if number == TARGET else 4, "side": 1, "parentOrderId": ENTRY}
    if number in {ENTRY, AGAIN}:
        own = {"type": 2, "side": 0, "customTag": TAG}
    data = {
        "id": number, "accountId": ACCOUNT, "contractId": MNQ, "status": status, "size": 1,
        "creationTimestamp": stamp(after_s), "updateTimestamp": stamp(after_s),
    }  # fmt: skip
    return {"at": T0 + after_s, "kind": "order", "fate": "sent", "data": data | own | more}


def trade(after_s: float, number: int, side: int) -> dict[str, Any]:
    data = {
        "id": 1, "orderId": number, "accountId": ACCOUNT, "contractId": MNQ, "side": side, "size": 1,
        "creationTimestamp": stamp(after_s),
    }  # fmt: skip
    return {"at": T0 + after_s, "kind": "trade", "fate": "sent", "data": data}


def place(tag: str = TAG, stop: int = 30, target: int = 40) -> dict[str, Any]:
    body = {"customTag": tag, "stopLossBracket": {"ticks": -stop}, "takeProfitBracket": {"ticks": target}}
    return {"at": T0, "kind": "request", "n": 1, "path": "/api/Order/place", "body": json.dumps(body)}


ENTERED = [place(), order(1, ENTRY, 6), trade(1, ENTRY, 0), order(1.02, STOP, WAKES), order(1.02, TARGET, WAKES)]
LEFT = [order(9, STOP, LEAVES), trade(9, STOP, 1), order(9, TARGET, 3)]


def judged(
    rows: list[dict[str, Any]],
    *,
    verdict: Verdict | None = None,
    answer: bool = True,
    exits: tuple[Span, ...] = (),
    stops: Sequence[TrackedOrder] = (),
) -> Proof:
    """The proof over one alert, its journal and these rows; the log ends a minute later."""
    message = Message(1, ACCOUNT, "MNQ", "long", 0.0, {"v": 1, "id": "one"}, bracket=(30, 40), side=1)
    delivery = Delivery(message, T0, 1, {"verdict": "accepted"} if answer else None)
    accepted = Verdict(kind=VerdictKind.ACCEPTED, orders=(TAG,))  # type: ignore[arg-type]
    decided = Decided("cause", "one", verdict or accepted, T0)
    books = Books(ACCOUNT, {"cause": decided}, {"one": [decided]})
    books.orders |= {stop.client_order_id: (stop, "") for stop in stops}
    books.exits[ACCOUNT, MNQ] += [(T0 + start, T0 + end) for start, end in exits]
    venue = read_venue([*rows, {"at": T0 + 60, "kind": "hub"}])
    return prove(Evidence([delivery], venue, {ACCOUNT: books}, {ACCOUNT: []}, {"MNQ": MNQ}))


def laws(proof: Proof) -> list[str]:
    return [one.law for one in proof.offences]


def test_an_entry_that_its_stop_ends_breaks_no_law() -> None:
    proof = judged([*ENTERED, *LEFT])
    assert laws(proof) == []
    assert (proof.expected, proof.found, proof.fills) == (1, 1, 1)
    assert proof.without_stop_s["waking"] == pytest.approx(0.02, abs=1e-3)


def test_an_alert_without_an_answer_is_lost() -> None:
    assert "lost" in laws(judged([*ENTERED, *LEFT], answer=False))


def test_an_accepted_alert_without_its_order_is_lost() -> None:
    assert laws(judged([])) == ["lost"]


def test_a_held_alert_that_is_never_decided_is_lost() -> None:
    assert laws(judged([], verdict=Verdict(kind=VerdictKind.HELD))) == ["lost"]


def test_a_second_order_of_one_alert_is_doubled() -> None:
    again = [place("dsk-two"), order(12, AGAIN, 6, customTag="dsk-two"), trade(12, AGAIN, 0), order(12, OTHER_STOP, 1)]
    assert {"doubled"} <= set(laws(judged([*ENTERED, *LEFT, *again])))


def test_an_order_of_a_denied_alert_is_doubled() -> None:
    assert laws(judged([*ENTERED, *LEFT], verdict=Verdict(kind=VerdictKind.DENIED))) == ["doubled"]


def test_a_leg_that_works_on_while_flat_is_an_orphan() -> None:
    assert laws(judged([*ENTERED, *LEFT[:2]])) == ["orphan"]


def test_a_leg_that_opens_a_position_is_an_orphan() -> None:
    traded = [order(9.1, TARGET, LEAVES), trade(9.1, TARGET, 1), order(9.1, OTHER_STOP, 1, side=0)]
    assert laws(judged([*ENTERED, *LEFT[:2], *traded])) == ["orphan"]


def test_a_position_whose_stop_is_gone_is_naked_for_as_long() -> None:
    proof = judged([*ENTERED, order(3, STOP, 3), order(5, OTHER_STOP, WAKES), *LEFT[1:], order(9, OTHER_STOP, 3)])
    assert laws(proof) == ["naked"]
    assert proof.without_stop_s["naked"] == pytest.approx(2.0, abs=1e-3)


def test_inside_a_journalled_exit_it_is_counted_beside() -> None:
    proof = judged([*ENTERED, order(8, STOP, 3), order(8, TARGET, 3), trade(9, 30, 1)], exits=((7.9, 9.5),))
    assert laws(proof) == []
    assert proof.without_stop_s["exit plan"] == pytest.approx(1.0, abs=1e-3)


def test_an_exit_that_never_got_flat_is_lost() -> None:
    assert laws(judged(ENTERED, exits=((7.9, 9.5),))) == ["lost"]


def test_an_exit_of_an_entry_that_never_arrived_is_no_loss() -> None:
    withdrawn = Verdict(kind=VerdictKind.DENIED)
    assert laws(judged([], verdict=withdrawn, exits=((7.9, 9.5),))) == []


def test_a_stop_that_the_gateway_turned_down_is_the_guards_for_twelve_seconds() -> None:
    proof = judged([*ENTERED, order(3, STOP, 5), order(30, TARGET, 3), trade(30, 30, 1)])
    assert laws(proof) == ["naked"]
    assert proof.without_stop_s["guard"] == pytest.approx(12.0 * SCALE, abs=1e-3)


GUARD_TAG, GUARD = "dsk-guard", 70
TURNED_DOWN = [*ENTERED, order(3, STOP, 5)]


def lone_stop(after_s: float, number: int = GUARD) -> list[dict[str, Any]]:
    """The guard's stop: sent without a bracket, and working."""
    body = {"customTag": GUARD_TAG, "type": 4, "side": 1, "size": 1}
    request = {"at": T0 + after_s, "kind": "request", "n": 9, "path": "/api/Order/place", "body": json.dumps(body)}
    working = order(after_s, number, 1, customTag=GUARD_TAG)
    del working["data"]["parentOrderId"]
    return [request, working]


def stop_order(qty: int = 1) -> TrackedOrder:
    at = datetime.fromtimestamp(T0, UTC)
    return TrackedOrder(
        client_order_id=ClientOrderId(GUARD_TAG), cause=CauseId("cause"), account_id=AccountId(ACCOUNT),
        contract_id=ContractId(MNQ), role=Role.STOP, type=OrderType.STOP, side=Side.SELL, qty=qty,
        state=OrderState.SUBMITTED, submitted_at=at, updated_at=at,
    )  # fmt: skip


def test_a_stop_that_the_guard_placed_again_covers() -> None:
    ended = [order(9, GUARD, LEAVES, customTag=GUARD_TAG), trade(9, GUARD, 1), order(9, TARGET, 3)]
    proof = judged([*TURNED_DOWN, *lone_stop(5), *ended], stops=[stop_order()])
    assert laws(proof) == []
    assert proof.without_stop_s["guard"] == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("stops", [[], [stop_order(qty=2)]])
def test_a_stop_that_the_journal_does_not_know_is_doubled(stops: list[TrackedOrder]) -> None:
    ended = [order(9, GUARD, LEAVES, customTag=GUARD_TAG), trade(9, GUARD, 1), order(9, TARGET, 3)]
    assert laws(judged([*TURNED_DOWN, *lone_stop(5), *ended], stops=stops)) == ["doubled"]


def test_two_stops_under_one_tag_are_doubled() -> None:
    ended = [order(9, GUARD, LEAVES, customTag=GUARD_TAG), trade(9, GUARD, 1), order(9, TARGET, 3)]
    second = [*lone_stop(5.5, GUARD + 1), order(8, GUARD + 1, 3, customTag=GUARD_TAG)]
    assert laws(judged([*TURNED_DOWN, *lone_stop(5), *second, *ended], stops=[stop_order()])) == ["doubled"]


def test_the_guards_stop_that_works_on_while_flat_is_an_orphan() -> None:
    ended = [order(9, TARGET, LEAVES), trade(9, TARGET, 1)]
    assert laws(judged([*TURNED_DOWN, *lone_stop(5), *ended], stops=[stop_order()])) == ["orphan"]


def test_spans_are_cut_where_others_lie() -> None:
    assert minus([(0, 10)], [(2, 3), (8, 12), (-5, -1)]) == [(0, 2), (3, 8)]
    assert both([(0, 10)], [(2, 3), (8, 12)]) == [(2, 3), (8, 10)]
    assert seconds(minus([(0, 1)], [(0, 1)])) == 0
