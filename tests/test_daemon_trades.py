"""From a posted alert to a protected position and out again, over real sockets, with everything that can go wrong between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from desk.core.ids import AccountId, CauseId, client_order_id
from desk.sim import SimServer
from tests.daemon import (
    ACCOUNT,
    MNQ,
    PRICE,
    WEBHOOK_TOKEN,
    RunningDesk,
    alert,
    enter,
    entries,
    is_flat,
    is_protected,
    places,
    quiet_sim,
    requests_to,
    running_desk,
    until,
    working,
)


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def desk(sim: SimServer, tmp_path: Path) -> AsyncIterator[RunningDesk]:
    async with running_desk(sim.url, tmp_path) as running:
        await running.ready()
        yield running


# -- the main job ------------------------------------------------------------------------------------------------------


async def test_the_alert_becomes_one_bracketed_order_and_a_protected_position(
    sim: SimServer, desk: RunningDesk
) -> None:
    alert_id = await enter(desk)
    state = await desk.get("/api/state")
    (place,) = places(sim)
    assert place["stopLossBracket"] == {"ticks": -80, "type": 4}
    assert place["takeProfitBracket"] == {"ticks": 160, "type": 1}
    assert (place["size"], place["side"], place["contractId"]) == (2, 0, MNQ)
    assert place["customTag"] == client_order_id(CauseId(alert_id), AccountId(ACCOUNT), "entry", 1)
    (position,) = state["positions"]
    assert (position["side"], position["qty"], position["is_protected"]) == ("long", 2, True)
    filled = Decimal(str(position["avg_price"]))
    assert Decimal(str(position["stop"]["price"])) == filled - 20
    assert Decimal(str(position["target"]["price"])) == filled + 40
    assert position["cause"] == alert_id


async def test_the_same_body_again_is_a_duplicate_and_no_second_order(sim: SimServer, desk: RunningDesk) -> None:
    first = await enter(desk)
    again = await asyncio.gather(*(desk.post(alert()) for _ in range(4)))
    assert {(status, answer["verdict"], answer["of"]) for status, answer in again} == {(200, "duplicate", first)}
    assert len(places(sim)) == 1


async def test_an_exit_alert_leaves_no_position_and_no_working_order(sim: SimServer, desk: RunningDesk) -> None:
    opened_by = await enter(desk)
    _, answer = await desk.post(alert("exit"))
    assert answer["verdict"] == "accepted"
    state = await desk.state_when(is_flat)
    assert [(end["reason"], end["cause"]) for end in state["last_exits"]] == [("alert", opened_by)]
    assert (sim.positions, working(sim)) == ([], [])
    assert sum(order.side == 1 and order.fill_volume > 0 for order in sim.orders) == 1, "one closing order filled"


@pytest.mark.parametrize(("moves_to", "reason"), [(PRICE - 25, "stop"), (PRICE + 45, "target")])
async def test_a_leg_that_trades_ends_the_position_and_the_venue_cancels_its_sibling(
    sim: SimServer, desk: RunningDesk, moves_to: Decimal, reason: str
) -> None:
    await enter(desk)
    sim.set_price(MNQ, moves_to)
    state = await desk.state_when(is_flat)
    assert [end["reason"] for end in state["last_exits"]] == [reason]
    assert (sim.positions, working(sim)) == ([], [])
    assert not requests_to(sim, "/api/Order/cancel"), "the sibling was cancelled by the venue"


async def test_flatten_by_the_api_is_verified_flat(sim: SimServer, desk: RunningDesk) -> None:
    await enter(desk)
    result = await desk.command("flatten yes")
    assert (result["ok"], result["data"]["is_flat"]) == (True, True), result["text"]
    assert (sim.positions, working(sim)) == ([], [])
    state = await desk.state_when(is_flat)
    assert [end["reason"] for end in state["last_exits"]] == ["manual"]


async def test_the_next_alert_after_an_exit_opens_again(sim: SimServer, desk: RunningDesk) -> None:
    await enter(desk)
    await desk.post(alert("exit"))
    await desk.state_when(is_flat)
    _, answer = await desk.post(alert("enter_short", id="second"))
    assert answer["verdict"] == "accepted"
    state = await desk.state_when(is_protected)
    assert state["positions"][0]["side"] == "short"
    assert len(places(sim)) == 2


# -- a bad wire --------------------------------------------------------------------------------------------------------

PLACE_FAULTS: dict[str, Callable[[SimServer], None]] = {
    "reply lost after execution": lambda sim: sim.faults.next("place").drops_after_execution(),
    "reply lost before execution": lambda sim: sim.faults.next("place").drops_before_execution(),
    "HTTP 500 after execution": lambda sim: sim.faults.next("place").refuses_after_execution(500),
    "HTTP 500 before execution": lambda sim: sim.faults.next("place").refuses(500),
    "HTTP 429": lambda sim: sim.faults.next("place").refuses(429, retry_after_s=1),
    "reports long after the reply": lambda sim: sim.faults.delay_user_events(300),
    "every report twice": lambda sim: sim.faults.duplicate_user_events(100),
}


@pytest.mark.parametrize("fault", PLACE_FAULTS)
async def test_whatever_happens_to_a_place_there_is_one_order(sim: SimServer, desk: RunningDesk, fault: str) -> None:
    PLACE_FAULTS[fault](sim)
    await enter(desk)
    state = await desk.state_when(lambda state: is_protected(state) and not state["plans"])
    assert [(order.size, order.status) for order in entries(sim)] == [(2, 2)]
    assert len({place["customTag"] for place in places(sim)}) == 1 or fault == "HTTP 429", "sure refusal: a new tag"
    assert state["positions"][0]["qty"] == 2


async def test_reports_that_come_before_the_reply_are_matched_by_tag(tmp_path: Path) -> None:
    async with quiet_sim(fill_delay_ms=0, children_delay_ms=0) as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        assert (len(places(sim)), len(sim.orders)) == (1, 3)
        state = await desk.get("/api/state")
        assert {order["role"] for order in state["orders"]} == {"stop", "target"}, "none of them is foreign"


async def test_a_stop_that_trades_while_the_hub_is_down_is_found_by_reconciling(
    sim: SimServer, desk: RunningDesk
) -> None:
    await enter(desk)
    await sim.drop_hubs("user")
    sim.set_price(MNQ, PRICE - 25)
    down = await desk.state_when(lambda state: not state["user_hub_is_up"])
    assert "user hub" in down["troubles"]
    _, answer = await desk.post(alert(id="while it is down"))
    assert (answer["verdict"], answer["reason"]) == ("held", "NOT_RECONCILED")
    back = await desk.state_when(lambda state: state["user_hub_is_up"] and is_protected(state) and not state["held"])
    assert back["last_exits"][0]["reason"] == "stop"
    assert "user hub" not in back["troubles"]
    assert [position.size for position in sim.positions] == [2]
    assert len(places(sim)) == 2


async def test_a_dropped_hub_in_the_middle_of_an_entry_changes_nothing(sim: SimServer, desk: RunningDesk) -> None:
    sim.faults.next("place").delays(150)
    _, answer = await desk.post(alert())
    await sim.drop_hubs("user")
    state = await desk.state_when(lambda state: is_protected(state) and state["user_hub_is_up"])
    assert state["positions"][0]["cause"] == answer["alert_id"]
    assert len(places(sim)) == 1


async def test_reports_that_never_come_are_read(sim: SimServer, desk: RunningDesk) -> None:
    sim.faults.lose_user_events(100)
    _, answer = await desk.post(alert())
    assert answer["verdict"] == "accepted"
    state = await desk.state_when(is_protected)
    assert state["positions"][0]["cause"] == answer["alert_id"]


async def test_a_refused_close_is_tried_again_until_flat(sim: SimServer, desk: RunningDesk) -> None:
    await enter(desk)
    sim.faults.next("/api/Position/closeContract").drops_after_execution()
    sim.faults.next("/api/Order/cancel").refuses(500)
    await desk.post(alert("exit"))
    await desk.state_when(is_flat, timeout_s=15)
    assert (sim.positions, working(sim)) == ([], [])
    assert len([trade for trade in sim.trades if trade.side == 1]) == 1, "closed once, never reversed"


# -- a venue that says no ----------------------------------------------------------------------------------------------


async def story_of(desk: RunningDesk, alert_id: str) -> str:
    return json.dumps((await desk.get(f"/api/alerts/{alert_id}"))["story"])


async def test_an_account_in_position_brackets_mode_is_refused_with_its_words_and_nothing_is_naked(
    sim: SimServer, tmp_path: Path
) -> None:
    async with running_desk(sim.url, tmp_path, account_id=AccountId(21000003)) as desk:
        await desk.ready()
        _, answer = await desk.post(alert())
        await desk.state_when(lambda state: places(sim) and not state["plans"] and not state["orders"])
        assert sim.positions == []
        assert "bracket" in (await story_of(desk, answer["alert_id"])).lower()


async def test_a_rejected_place_ends_the_story_with_the_venues_words(sim: SimServer, desk: RunningDesk) -> None:
    sim.faults.next("place").rejects(2, "Maximum position exceeded")
    _, answer = await desk.post(alert())
    assert answer["verdict"] == "accepted"
    await desk.state_when(lambda state: places(sim) and not state["plans"] and not state["orders"])
    assert "Maximum position exceeded" in await story_of(desk, answer["alert_id"])
    assert (len(places(sim)), sim.positions) == (1, [])


async def test_an_account_that_may_not_trade_is_denied_before_anything_is_sent(
    sim: SimServer, desk: RunningDesk
) -> None:
    sim.set_account(ACCOUNT, can_trade=False)
    await desk.state_when(lambda state: not state["accounts"][0]["can_trade"])
    status, answer = await desk.post(alert())
    assert (status, answer["verdict"], answer["reason"]) == (200, "denied", "ACCOUNT_LOCKED")
    assert places(sim) == []


async def test_twenty_alerts_at_once_do_not_break_the_limit(sim: SimServer, desk: RunningDesk) -> None:
    bodies = [alert(id=f"burst-{n}", qty={"mode": "contracts", "value": n % 3 + 1}) for n in range(20)]
    answers = [answer for _, answer in await asyncio.gather(*(desk.post(body) for body in bodies))]
    accepted = [answer for answer in answers if answer["verdict"] == "accepted"]
    state = await desk.state_when(is_protected)
    assert len({answer["alert_id"] for answer in answers}) == 20
    assert len(places(sim)) == len(accepted) == 1, "an entry under way counts as held"
    assert state["positions"][0]["qty"] == places(sim)[0]["size"] <= 4


# -- before the gateway is there ---------------------------------------------------------------------------------------


async def test_alerts_are_held_while_the_gateway_is_unreachable_and_decided_when_it_is_up(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with running_desk(f"http://127.0.0.1:{unused_tcp_port}", tmp_path) as desk:
        old = await desk.post(alert(id="soon too old", policy={"max_age_s": 0.01}))
        young = await desk.post(alert(id="young enough"))
        late_exit = await desk.post(alert("exit", symbol="CME_MINI:ES1!"))
        answers = [old, young, late_exit]
        assert [(status, answer["verdict"]) for status, answer in answers] == [(200, "held")] * 3
        state = await desk.state_when(lambda state: "login" in state["troubles"], timeout_s=4)
        assert (state["ready"], state["held"]) == (False, 3)
        assert "alerts are held" in state["troubles"]["login"]
        async with quiet_sim(port=unused_tcp_port) as sim:
            await desk.ready()
            state = await desk.state_when(lambda state: is_protected(state) and not state["held"])
            assert "login" not in state["troubles"]
            assert len(places(sim)) == 1
            verdicts = {row["alert_id"]: row for row in await desk.get("/api/alerts")}
            told = [verdicts[answer["alert_id"]] for _, answer in answers]
            assert [(row["verdict"], row["reason"]) for row in told] == [
                ("denied", "TOO_OLD"),
                ("accepted", ""),
                ("ignored", "NOTHING_TO_EXIT"),
            ]


# -- bad input ---------------------------------------------------------------------------------------------------------

DENIED = {
    "UNKNOWN_SYMBOL": alert(symbol="CME_MINI:QQQQ1!"),
    "NO_STOP": alert(stop=None),
    "STOP_TOO_CLOSE": alert(stop={"unit": "ticks", "value": 1}),
    "SYMBOL_NOT_ALLOWED": alert(symbol="NYMEX:CL1!"),
    "MAX_POSITION": alert(qty={"mode": "contracts", "value": 5}),
    "UNREADABLE": b'{"v": 1, "action": ',
    "UNREADABLE, size 0": alert(qty={"mode": "contracts", "value": 0}),
    "UNREADABLE, size 1.5": alert(qty={"mode": "contracts", "value": 1.5}),
    "UNREADABLE, size NaN": json.dumps(alert()).replace('"value": 2', '"value": NaN').encode(),
    "UNREADABLE, no number": alert(stop={"unit": "points", "value": "20.1x"}),
}


async def test_bad_alerts_are_answered_with_a_reason_journalled_and_not_sent(sim: SimServer, desk: RunningDesk) -> None:
    reasons = [case.partition(",")[0] for case in DENIED]
    for n, (reason, case) in enumerate(zip(reasons, DENIED.values(), strict=True)):
        body = case if isinstance(case, bytes) else {**case, "id": f"bad-{n}"}
        status, answer = await desk.post(body)
        assert (status, answer["verdict"], answer["reason"]) == (200, "denied", reason), answer
        assert len(answer["text"]) > 20, "a person learns what to change"
    rows = await desk.get("/api/alerts")
    assert [row["reason"] for row in reversed(rows)] == reasons
    assert places(sim) == []


def _handlers() -> int:
    return sum(getattr(task.get_coro(), "__qualname__", "") == "RequestHandler.start" for task in asyncio.all_tasks())


async def test_what_is_no_alert_gets_its_code_and_leaves_no_row(sim: SimServer, desk: RunningDesk) -> None:
    assert (await desk.post(alert(), token="a-wrong-token"))[0] == 404
    async with desk.http.get(f"{desk.public}/tv/a-wrong-token") as wrong_method:
        assert wrong_method.status == 405
    before = _handlers()
    async with aiohttp.ClientSession() as sender:
        for token, status in ((WEBHOOK_TOKEN, 413), ("a-wrong-token", 404)):
            async with sender.post(f"{desk.public}/tv/{token}", data=BytesIO(b"x" * 10_000_000)) as too_large:
                assert too_large.status == status
    await until(lambda: _handlers() <= before)  # what is refused is drained for a moment
    assert await desk.get("/api/alerts") == []
    assert places(sim) == []
    await enter(desk)
