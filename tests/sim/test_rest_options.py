"""Special accounts, contracts and options of the simulator, over raw HTTP (reference 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from desk.sim import AccountSpec, SimConfig, SimServer

from .raw import COMBINE, MNQ, POSITION_BRACKETS, PRACTICE, Rest

FOLLOWER, LIVE = 21000004, 21000009
NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
START = {"startTimestamp": "2020-01-01T00:00:00Z"}
STOP = {"ticks": -40, "type": 4}
Open = Callable[..., Awaitable[tuple[SimServer, Rest]]]


def refusal(reply: dict[str, Any]) -> tuple[int, str | None]:
    assert reply["success"] is False
    return reply["errorCode"], reply["errorMessage"]


# -- the rest of the codes --------------------------------------------------------------------------------------------


async def test_a_follower_and_a_live_account_refuse_in_every_endpoint_with_its_own_number(opened: Open) -> None:
    """Reference 3.8 and 3.13."""
    live = AccountSpec(LIVE, "LIVE-1", Decimal(50_000), simulated=False)
    _, rest = await opened(accounts=(*SimConfig().accounts, live))
    assert [row["simulated"] for row in (await rest.ok("/api/Account/search", {"onlyActiveAccounts": False}))["accounts"]] == [
        True, True, True, True, False,
    ]  # fmt: skip
    order, close = {"accountId": FOLLOWER, "orderId": 1}, {"accountId": FOLLOWER, "contractId": MNQ}
    assert refusal((await rest.post("/api/Order/cancel", order))[1]) == (6, "Follower accounts cannot cancel orders")
    assert refusal((await rest.post("/api/Order/modify", order))[1]) == (6, None)
    assert refusal((await rest.post("/api/Position/closeContract", close))[1]) == (8, None)
    assert refusal((await rest.post("/api/Position/partialCloseContract", close | {"size": 1}))[1]) == (9, None)
    order, close = {"accountId": LIVE, "orderId": 1}, {"accountId": LIVE, "contractId": MNQ}
    assert refusal((await rest.post("/api/Order/cancel", order))[1]) == (6, "Live accounts not supported")
    assert refusal((await rest.post("/api/Position/partialCloseContract", close | {"size": 1}))[1]) == (9, None)


async def test_a_pending_order_answers_pending(opened: Open) -> None:
    """Reference 3.13: 4 for cancel and modify while a market order is under way."""
    _, rest = await opened(fill_delay_ms=60_000)
    order = {"accountId": COMBINE, "orderId": (await rest.place())["orderId"]}
    assert refusal((await rest.post("/api/Order/cancel", order))[1]) == (4, None)
    assert refusal((await rest.post("/api/Order/modify", order | {"size": 2}))[1]) == (4, None)


async def test_an_expired_month_is_not_active_in_both_closes(opened: Open) -> None:
    """Reference 3.13: ContractNotActive is 4."""
    now = NOW
    _, rest = await opened(clock=lambda: now, token_lifetime_s=1e9)
    await rest.place()
    now = datetime(2027, 1, 4, 15, tzinfo=UTC)
    body = {"accountId": COMBINE, "contractId": MNQ}
    assert refusal((await rest.post("/api/Position/closeContract", body))[1]) == (4, None)
    assert refusal((await rest.post("/api/Position/partialCloseContract", body | {"size": 1}))[1]) == (4, None)


async def test_a_roll_switches_available_in_the_pause_and_leaves_the_position(opened: Open) -> None:
    """Reference 3.3: MCL goes from F27 to G27 on 17 December 2026 after 16:00 Chicago; the old id resolves, inactive."""
    now = datetime(2026, 12, 17, 21, 59, tzinfo=UTC)
    old, new = "CON.F.US.MCLE.F27", "CON.F.US.MCLE.G27"
    _, rest = await opened(clock=lambda: now)

    async def listed() -> list[str]:
        rows = (await rest.ok("/api/Contract/search", {"searchText": "MCL", "live": False}))["contracts"]
        return [row["id"] for row in rows]

    before = await listed()
    await rest.place(contractId=before[0])
    while await listed() == before:
        now += timedelta(hours=1)
    assert (before, await listed(), now) == ([old], [new], datetime(2026, 12, 17, 22, 59, tzinfo=UTC))
    contract = (await rest.ok("/api/Contract/searchById", {"contractId": old}))["contract"]
    assert contract["activeContract"] is False
    assert refusal(await rest.place(contractId=old)) == (9, None)
    (position,) = (await rest.ok("/api/Position/searchOpen", {"accountId": COMBINE}))["positions"]
    assert (position["contractId"], position["contractDisplayName"]) == (old, "MCLF27")
    await rest.ok("/api/Position/closeContract", {"accountId": COMBINE, "contractId": old})


async def test_a_month_can_be_rolled_on_request(opened: Open) -> None:
    """Reference 3.3, as an option."""
    _, rest = await opened(rolled={"MNQ": 1})
    rows = (await rest.ok("/api/Contract/available", {"live": False}))["contracts"]
    assert [row["id"] for row in rows if row["symbolId"] == "F.US.MNQ"] == ["CON.F.US.MNQ.H27"]
    assert (await rest.place(contractId="CON.F.US.MNQ.H27"))["success"] is True
    assert refusal(await rest.place())[0] == 9


async def test_the_platforms_own_brackets_have_no_tag_and_no_parent(opened: Open) -> None:
    """Reference 3.6: Position-Brackets mode."""
    usd = {"position_stop_usd": Decimal(20), "position_target_usd": Decimal(40)}
    account = AccountSpec(POSITION_BRACKETS, "50KTC-V2-DLL", Decimal(50_000), auto_oco=False, **usd)
    sim, rest = await opened(accounts=(account,))
    entry = (await rest.place(POSITION_BRACKETS, customTag="e"))["orderId"]
    rows = (await rest.ok("/api/Order/searchOpen", {"accountId": POSITION_BRACKETS}))["orders"]
    assert [(row["type"], row["stopPrice"], row["limitPrice"]) for row in rows] == [
        (4, 29990.25, None), (1, None, 30020.25),
    ]  # fmt: skip
    assert all(row["customTag"] is None and "parentOrderId" not in row and row["id"] > entry for row in rows)
    sim.set_price(MNQ, Decimal(29990))
    assert (await rest.ok("/api/Order/searchOpen", {"accountId": POSITION_BRACKETS}))["orders"] == []
    assert sim.positions == []


async def test_a_partial_fill_shows_as_open_with_its_volume(opened: Open) -> None:
    """Reference 3.7."""
    sim, rest = await opened(partial_fills=2)
    await rest.place(type=1, size=3, limitPrice=29990, stopLossBracket=STOP)
    sim.set_price(MNQ, Decimal("29989.75"))
    entry, stop = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert (entry["status"], entry["size"], entry["fillVolume"], entry["filledPrice"]) == (1, 3, 2, 29990)
    assert (stop["size"], stop["stopPrice"]) == (2, 29980)


async def test_a_reversal_is_two_rows_of_one_order_close_first(opened: Open) -> None:
    """Reference 3.10, SIM choice; trades come newest first."""
    _, rest = await opened()
    await rest.place(size=2)
    identity = (await rest.place(side=1, size=5))["orderId"]
    rows = (await rest.ok("/api/Trade/search", {"accountId": COMBINE} | START))["trades"]
    assert [(row["size"], row["profitAndLoss"], row["orderId"]) for row in rows[:2]] == [
        (3, None, identity),
        (2, -1, identity),
    ]
    assert rows[0]["id"] > rows[1]["id"]


async def test_bracket_legs_resize_or_not(opened: Open) -> None:
    """Reference 3.7 does not know; the option says."""
    for allowed in (True, False):
        _, rest = await opened(resize_legs=allowed)
        entry = (await rest.place(size=3, stopLossBracket=STOP))["orderId"]
        body = {"accountId": COMBINE, "orderId": entry + 1, "size": 2}
        _, reply = await rest.post("/api/Order/modify", body)
        assert reply["errorCode"] == (0 if allowed else 3)


async def test_the_default_accounts_are_a_combine_a_practice_one_position_brackets_and_a_follower(rest: Rest) -> None:
    """Reference 3.2: the kind shows in the name alone; bracket mode and following do not show at all."""
    rows = (await rest.ok("/api/Account/search", {"onlyActiveAccounts": True}))["accounts"]
    assert [row["id"] for row in rows] == [COMBINE, PRACTICE, POSITION_BRACKETS, FOLLOWER]
    assert rows[0]["name"].startswith("50KTC-V2-")
    assert rows[1]["name"].startswith("PRAC-V2-")
