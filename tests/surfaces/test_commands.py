"""The command table, driven as the console and ``POST /api/command`` drive it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from desk.core.alert import Action, Alert, AlertQty
from desk.core.errors import StoreError
from desk.core.events import AlertReceived, FlattenRequested
from desk.core.ids import CauseId, ClientOrderId, FillId, GatewayOrderId
from desk.core.orders import OrderState, Role
from desk.core.plans import EnterPlan, EnterStep, ExitPlan, ExitReason, ExitStep
from desk.core.records import (
    AlertJournalled,
    FillRecorded,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    PositionClosed,
    ResyncStarted,
    Verdict,
    VerdictKind,
)
from desk.core.words import Fill, OrderType, Side
from desk.surfaces import flatten as flatten_module
from desk.surfaces import view
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import COMMANDS, run_command
from desk.surfaces.completion import complete
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room, entry_order


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    """A command; whatever it answers must be writable as JSON and as colours."""
    result = await run_command(room.desk, line, caller)
    msgspec.json.decode(view.encode(result.data))
    result.renderable()
    return result


# --- the table ---------------------------------------------------------------------------------------------------


async def test_help_names_every_command(room: Room, caller: Caller) -> None:
    text = (await run(room, "help", caller)).text
    assert all(f"\n{name}" in text for name in COMMANDS)


@pytest.mark.parametrize(
    ("columns", "shown", "hidden"),
    [
        (80, "trade ...  ", "trade SYMBOL"),
        (130, "trade SYMBOL buy|sell QTY stop=80 [target=160]  ", "stop_bracket SYMBOL"),
        (200, "stop_bracket SYMBOL buy|sell QTY ENTRY STOP PROFIT [--breakeven]  ", "..."),
    ],
)
async def test_help_shows_what_to_write_where_the_screen_has_room(
    room: Room, caller: Caller, columns: int, shown: str, hidden: str
) -> None:
    text = (await run(room, "help", replace(caller, size=lambda: (columns, 50)))).text
    assert shown in text
    table = "\n".join(line for line in text.splitlines() if not line.startswith("watch"))
    assert hidden not in table
    assert max(map(len, text.splitlines())) <= max(columns, 110)


async def test_help_of_one_command_tells_its_arguments(room: Room, caller: Caller) -> None:
    result = await run(room, "HELP History", caller)
    assert result.ok
    assert result.text.startswith("history SYMBOL [timeframe] [n | from [to]]")


@pytest.mark.parametrize(
    ("line", "hint"), [("postions", "Did you mean positions?"), ("histroy MNQ", "history"), ("xyzzy", "help lists")]
)
async def test_a_typo_gets_the_nearest_command(room: Room, caller: Caller, line: str, hint: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert hint in result.text


FORMER = (
    "trade limit bracket native_bracket stop_bracket stop stop_buy stop_sell trail positions orders close flatten cancel "
    "modify modify_stop modify_tp quote depth history chart monitor bracket_monitor activate_monitor deactivate_monitor "
    "check_fills test_fills auto_fills stop_auto_fills clear_notifications account_info account_state compliance risk "
    "drawdown max_loss accounts switch_account trades contracts metrics strategy_start strategy_stop strategy_status "
    "strategy_test strategy_execute strategies help quit"
)


@pytest.mark.parametrize("name", FORMER.split())
async def test_a_command_of_other_bots_is_there_or_says_what_to_write_instead(
    room: Room, caller: Caller, name: str
) -> None:
    """Cause: compliance was answered with "Did you mean cancel?", strategies with trades, risk with nothing."""
    if name in COMMANDS:
        return
    for line in (name, f"{name} list", f"help {name}"):
        text = (await run(room, line, caller)).text
        assert "There is no command" in text
        assert "Did you mean" not in text
        named = [word.strip(".,") for word in text.partition(". ")[2].split()]
        assert any(word in COMMANDS for word in named), text


@pytest.mark.parametrize("name", ["sell", "buy", "foo", "cancle_the_stop", "xyz"])
async def test_what_is_only_a_little_like_a_command_is_not_taken_for_it(room: Room, caller: Caller, name: str) -> None:
    assert "Did you mean" not in (await run(room, name, caller)).text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pos", "positions"), ("hist", "history"), ("canc", "cancel or cancel_all"), ("switch", "switch_account")],
)
async def test_the_beginning_of_a_command_is_recognised(room: Room, caller: Caller, typed: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in (await run(room, typed, caller)).text
    assert room.events == []


async def test_too_many_arguments_get_the_usage(room: Room, caller: Caller) -> None:
    assert "Write positions" in (await run(room, "positions now", caller)).text


async def test_an_empty_line_does_nothing(room: Room, caller: Caller) -> None:
    assert await run(room, "   ", caller) == CommandResult(True, None, ())


async def test_what_only_shows_something_is_not_called_a_trade() -> None:
    shows = {name for name, command in COMMANDS.items() if not command.does_change_exposure}
    assert shows == {
        "accounts", "switch_account", "contracts", "quote", "history", "chart", "cache", "depth", "watch", "subscriptions",
        "archive", "positions", "orders", "trades", "plans", "monitor",
        "pause", "disarm", "alerts", "why", "status", "bot", "bots", "template", "explain", "help", "quit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("po", ["positions"]),
        ("history m", ["MNQ"]),
        ("history MNQ 1", ["1m", "15m", "1h", "1d"]),
        ("history MNQ 5m to", ["today"]),
        ("history MNQ 5m 2026-11-18 cs", ["csv"]),
        ("history MNQ stitch=", ["stitch=none", "stitch=adjusted"]),
        ("chart MNQ 5m h", ["html"]),
        ("watch MNQ m", ["MNQ"]),
        ("contracts i", ["index"]),
        ("help fl", ["flatten"]),
        ("positions ", []),
        ("nonsense x", []),
        ("trade m", ["MNQ"]),
        ("trade MNQ ", ["buy", "sell"]),
        ("trade MNQ buy 1 s", ["stop="]),
        ("trade MNQ buy 1 stop=80 t", ["target=", "trail="]),
        ("trade MNQ buy 1 stop=80 s", []),
        ("trade account=", ["account=PAPER-50K"]),
        ("stop_bracket MNQ buy 1 1 2 3 --", ["--breakeven"]),
        ("switch_account p", ["PAPER-50K"]),
        ("flatten ", ["MNQ", "PAPER-50K", "all"]),
    ],
)
async def test_tab_offers_what_fits(room: Room, typed: str, offered: list[str]) -> None:
    assert complete(room.desk, typed) == offered


@pytest.mark.parametrize("name", ["history", "chart", "watch", "depth", "cache", "contracts", "quote", "subscriptions"])
async def test_help_of_the_market_fits_eighty_columns(room: Room, caller: Caller, name: str) -> None:
    assert max(map(len, (await run(room, f"help {name}", caller)).text.splitlines())) <= 80


async def test_tab_offers_what_is_held_and_what_works(room: Room) -> None:
    room.tell(*rooms.position_records())
    assert complete(room.desk, "close ") == ["MNQZ6"]
    assert complete(room.desk, "cancel 50") == ["503", "502"]


# --- the market --------------------------------------------------------------------------------------------------


async def test_history_prints_an_aligned_table_in_the_users_zone(room: Room, caller: Caller) -> None:
    result = await run(room, "history MNQ 5m 3", caller)
    lines = result.text.splitlines()
    assert lines[0] == "MNQZ6 5m   exchange time: 2026-11-18 08:20 to 08:30 CST"
    assert lines[1].split() == ["day", "CET", "open", "high", "low", "close", "volume"]
    assert lines[2].split() == ["Wed", "2026-11-18", "15:20", "21034.25", "21035.25", "21033.25", "21034.25", "150"]
    assert lines[4].endswith("forming")
    assert len({line.index("21034.25") for line in lines[2:5]}) == 1
    assert lines[5].startswith("3 bars, source: gateway")
    assert lines[5].endswith("the last bar is forming")
    assert max(map(len, lines)) <= 80


async def test_history_names_the_day_when_it_changes(room: Room, caller: Caller) -> None:
    lines = (await run(room, "history MNQ 30m 40", caller)).text.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("Tue", "Wed"))] == ["2026-11-17", "2026-11-18"]


@pytest.mark.parametrize("line", ["history MNQ", "history mnq 20", "history MNQ 20 5m", "HISTORY CME_MINI:MNQ1! 5M"])
async def test_history_takes_its_arguments_in_any_order(room: Room, caller: Caller, line: str) -> None:
    result = await run(room, line.replace("5M", "5m"), caller)
    assert result.ok
    assert isinstance(result.data, dict)
    assert (result.data["timeframe"], len(result.data["bars"])) == ("5m", 20)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("history", "Write history MNQ 5m 20"),
        ("history MNQ 5x", "such as 30s, 5m"),
        ("history MNQ 5m 0", "1 to 1000000"),
        ("history MNQ 5m " + "9" * 5000, "1 to 1000000"),
        ("alerts " + "9" * 5000, "1 to 500"),
        ("why " + "9" * 5000, "has the id"),
        ("history MNQ 5m 1h", "One timeframe"),
        ("history NOPE", "not a futures symbol"),
        ("history ES", "lists no ES contract"),
    ],
)
async def test_a_bad_argument_gets_what_to_write_instead(room: Room, caller: Caller, line: str, hint: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert hint in result.text


async def test_a_very_long_history_draws_the_newest_and_hands_over_all(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.surfaces.history_command.MOST_SHOWN", 5)
    result = await run(room, "history MNQ 5m 30", caller)
    assert isinstance(result.data, dict)
    assert len(result.data["bars"]) == 30
    assert "Only the newest 5 are shown" in result.text
    assert "30 bars, source" in result.text
    assert len(result.text.splitlines()) == 1 + 1 + 5 + 2


async def test_the_message_for_a_strategy_has_the_stop_that_an_entry_needs(room: Room, caller: Caller) -> None:
    result = await run(room, "bot", caller)
    assert isinstance(result.data, dict)
    assert '"stop":{"unit":"points","value":20}' in result.data["template"]


async def test_symbols_are_unknown_until_the_contract_list_is_read(room: Room, caller: Caller) -> None:
    room.desk.catalogue = {}
    assert "not read yet" in (await run(room, "history MNQ", caller)).text


async def test_a_quote_tells_its_age(room: Room, caller: Caller) -> None:
    room.quotes.say("21040.5", T0 - timedelta(milliseconds=850))
    result = await run(room, "quote MNQ", caller)
    assert "21040.50" in result.text
    assert "21040.75" in result.text
    assert "850 ms" in result.text
    assert room.quotes.watched == [MNQ.contract_id]


# --- what is held ------------------------------------------------------------------------------------------------


async def test_a_position_shows_both_legs_and_that_it_is_protected(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    room.quotes.say("21044.25", T0)
    account, _, row, note = (await run(room, "positions", caller)).text.splitlines()
    assert account == "PAPER-50K"
    assert row.split() == ["1", "MNQZ6", "long", "2", "21034.25", "21014.25", "21074.25", "+40.00", "yes"]
    assert note == "Valued at quotes up to 0 ms old, before fees."


@pytest.mark.parametrize("stop", [None, OrderState.SUSPENDED, OrderState.UNKNOWN])
async def test_a_position_whose_stop_does_not_work_is_not_called_protected(
    room: Room, caller: Caller, stop: OrderState | None
) -> None:
    room.tell(*rooms.position_records(stop=stop))
    assert (await run(room, "positions", caller)).text.splitlines()[2].split()[-1] == "NO"
    assert not view.view_positions(room.desk)[0].is_protected


async def test_the_legs_of_an_entry_that_rests_are_not_the_positions(room: Room, caller: Caller) -> None:
    resting = rooms.replaced(
        rooms.entry_order(OrderState.WORKING), client_order_id=ClientOrderId("dsk-rests"), type=OrderType.LIMIT,
        limit_price=Decimal("20900"), filled_qty=0, filled_price=None, gateway_order_id=GatewayOrderId(601),
    )  # fmt: skip
    sleeping = rooms.replaced(
        rooms.leg_order(Role.STOP, "20880", OrderState.SUSPENDED), client_order_id=ClientOrderId("dsk-rests-SL"),
        parent=resting.client_order_id, gateway_order_id=GatewayOrderId(602), stop_price=None,
    )  # fmt: skip
    changes = [OrderChanged(cause=CAUSE, order=order, why="venue", ts=T0) for order in (resting, sleeping)]
    room.tell(*rooms.position_records(), *changes)
    assert (await run(room, "positions", caller)).text.splitlines()[2].split()[5:7] == ["21014.25", "21074.25"]
    part = rooms.replaced(resting, state=OrderState.PARTIALLY_FILLED, filled_qty=1)
    room.tell(OrderChanged(cause=CAUSE, order=part, why="venue", ts=T0))
    assert "(+1)" in (await run(room, "positions", caller)).text, "it is held from its first fill on"


@pytest.mark.parametrize(("age_s", "note"), [(None, "no quote was seen yet"), (11, "the last quote is 11 s old")])
async def test_unrealised_profit_needs_a_fresh_quote(
    room: Room, caller: Caller, age_s: float | None, note: str
) -> None:
    room.tell(*rooms.position_records())
    if age_s is not None:
        room.quotes.say("21044.25", T0 - timedelta(seconds=age_s))
    text = (await run(room, "positions", caller)).text
    assert f"MNQZ6: no unrealised P&L, {note}." in text
    assert "+40.00" not in text
    assert view.view_positions(room.desk)[0].unrealised_usd is None


async def test_a_short_is_valued_at_the_ask(room: Room) -> None:
    room.tell(*rooms.position_records(qty=-2, stop=None))
    room.quotes.say("21030.25", T0)
    position = view.view_positions(room.desk)[0]
    assert (position.side, position.mark, position.unrealised_usd) == ("short", Decimal("21030.50"), Decimal("15.00"))


async def test_the_last_exit_tells_its_reason(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records(), *rooms.flat_records())
    text = (await run(room, "positions", caller)).text
    assert text.startswith("No open position.")
    assert text.splitlines()[-1].split()[:3] == ["MNQZ6", "+2", "manual"]


async def test_nothing_known_is_not_shown_as_nothing_held(room: Room, caller: Caller) -> None:
    room.desk.publish(type(room.desk.state)())
    assert "nothing is known" in (await run(room, "positions", caller)).text
    room.tell(*rooms.account_records(is_reconciled=False))
    assert "Not confirmed by the gateway yet: PAPER-50K" in (await run(room, "orders", caller)).text


async def test_orders_show_role_and_gateway_id(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    lines = (await run(room, "orders", caller)).text.splitlines()
    assert [line.split()[:3] for line in lines[2:]] == [["502", "MNQZ6", "stop"], ["503", "MNQZ6", "target"]]


async def test_accounts_mark_the_default_one(room: Room, caller: Caller) -> None:
    row = (await run(room, "accounts", caller)).text.splitlines()[1].split()
    assert row[:6] == ["*", "1", "PAPER-50K", str(ACCOUNT), "50,000.00", "yes"]


# --- the story ---------------------------------------------------------------------------------------------------


async def journal_an_alert(room: Room) -> AlertReceived:
    alert = Alert(action=Action.ENTER_LONG, symbol="CME_MINI:MNQ1!", qty=AlertQty(mode="contracts", value=Decimal(2)))
    event = AlertReceived(
        cause=CAUSE, bot="default", alert=alert, problem=None, raw='{"secret":"***"}\x1b[2J', body_sha256="ab" * 32,
        dedupe_key="id:1", dedupe_window_s=None, source="52.89.214.238", ts=T0,
    )  # fmt: skip
    verdict = Verdict(kind=VerdictKind.ACCEPTED, text="buys 2 MNQZ6")
    fill = Fill(
        fill_id=FillId(9), account_id=ACCOUNT, contract_id=MNQ.contract_id, gateway_order_id=GatewayOrderId(501),
        side=Side.BUY, qty=2, price=Decimal("21034.25"), gross_pnl=None, fees=Decimal("0.74"),
        commissions=Decimal("0.5"), ts_event=T0,
    )  # fmt: skip
    order = entry_order(OrderState.SUBMITTED)
    later = T0 + timedelta(milliseconds=41)
    await room.desk.journal.append(
        [
            AlertJournalled(cause=CAUSE, alert=event, verdict=verdict, ts=T0),
            OrderChanged(cause=CAUSE, order=order, why="submitted", ts=T0),
            FillRecorded(cause=CAUSE, fill=fill, client_order_id=order.client_order_id, ts=later),
            PositionClosed(
                cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=2, avg_price=Decimal("21034.25"),
                reason=ExitReason.TARGET, ended_by=None, ts=later + timedelta(hours=12),
            ),
        ]
    )  # fmt: skip
    return event


async def test_alerts_tell_what_became_of_each(room: Room, caller: Caller) -> None:
    assert "No alert came yet" in (await run(room, "alerts", caller)).text
    await journal_an_alert(room)
    text = (await run(room, "alerts 5", caller)).text
    assert "enter_long 2 MNQ1!" in text
    assert "accepted" in text
    assert not (await run(room, "alerts many", caller)).ok


async def test_why_tells_the_whole_story_with_times_between(room: Room, caller: Caller) -> None:
    await journal_an_alert(room)
    text = (await run(room, f"why {CAUSE.lower()}", caller)).text
    assert "4 records" in text
    assert "15:30:00.041 08:30:00 +41 ms fill" in " ".join(text.split())
    assert "+12.0 h" in text
    assert "buy 2 MNQZ6 at 21034.25, costs 1.24 $" in text
    assert "exit target" in text
    assert "Thu 2026-11-19" in text, "the day changed"
    assert "\x1b" not in text, "what a sender writes cannot move the cursor"


@pytest.mark.parametrize("what", ["tag", "leg", "gateway id", "as shown", "plan"])
async def test_why_takes_the_id_of_an_order_or_a_plan(room: Room, caller: Caller, what: str) -> None:
    await journal_an_alert(room)
    tag = entry_order().client_order_id
    room.tell(*rooms.position_records())
    asked = {
        "tag": tag,
        "leg": f"{tag}-SL",
        "gateway id": "502",
        "as shown": "#502",
        "plan": f"exit:{CAUSE}:{ACCOUNT}:x",
    }
    result = await run(room, f"why {asked[what]}", caller)
    assert isinstance(result.data, dict)
    assert result.data["id"] == CAUSE


async def test_why_finds_an_order_that_only_the_journal_remembers(room: Room, caller: Caller) -> None:
    await journal_an_alert(room)
    room.clock.advance(3 * 86_400)
    assert (await run(room, f"why {entry_order().client_order_id}", caller)).ok


@pytest.mark.parametrize("line", ["why", "why 01KA0000000000000000000009", "why dsk-nothing", "why 12345"])
async def test_why_of_nothing_says_where_ids_stand(room: Room, caller: Caller, line: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert "Ids stand in alerts" in result.text


# --- flatten -----------------------------------------------------------------------------------------------------


def exit_plan(cause: CauseId) -> ExitPlan:
    return ExitPlan(
        plan_id=f"exit:{cause}", cause=cause, account_id=ACCOUNT, contract_id=MNQ.contract_id,
        reason=ExitReason.MANUAL, step=ExitStep.CLOSING, started_at=T0,
    )  # fmt: skip


async def test_flatten_waits_until_it_is_proven(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    said: list[str] = []

    def begin(event: FlattenRequested) -> None:
        plan = exit_plan(event.cause)
        room.tell(PlanChanged(cause=event.cause, plan=plan, ts=T0))
        room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="flattening", plan_id=plan.plan_id)

    room.on_flatten = begin
    running = asyncio.create_task(run(room, "flatten MNQ yes", replace(caller, say=said.append)))
    await room.heard.wait()
    room.tell(*rooms.flat_records())
    assert not running.done(), "the plan still runs"
    event = room.events[0]
    assert isinstance(event, FlattenRequested)
    assert (event.contract_id, event.account_id, event.by) == (MNQ.contract_id, None, "api")
    room.tell(PlanEnded(cause=event.cause, plan_id=exit_plan(event.cause).plan_id, result="flat", ts=T0))
    result = await running
    assert result.ok
    assert "Verified flat" in result.text
    assert said[0].startswith("Flattening all MNQZ6")


async def test_flatten_that_leaves_something_names_it(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    monkeypatch.setattr(flatten_module, "_SAY_EVERY_S", unit / 5)
    monkeypatch.setattr(flatten_module, "_SETTLE_S", unit)
    room.tell(*rooms.position_records())
    result = await run(room, "flatten yes", caller)
    assert not result.ok
    assert "NOT FLAT YET" in result.text
    assert "MNQZ6 +2 in PAPER-50K" in result.text


async def test_flatten_tells_the_steps_of_exits_and_what_is_left_once(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    """Cause: the entry that rested stood there as a step, "accepted"; the same five lines came again with every step."""
    monkeypatch.setattr(flatten_module, "_SAY_EVERY_S", unit / 5)
    monkeypatch.setattr(flatten_module, "WAIT_S", 4 * unit)
    room.tell(*rooms.position_records())
    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="flattening", plan_id="exit:1 enter:1")
    said: list[str] = []
    asked: list[FlattenRequested] = []

    def step(event: FlattenRequested, step: ExitStep) -> None:
        entry = EnterPlan(
            plan_id="enter:1", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id,
            entry=entry_order().client_order_id, step=EnterStep.ACCEPTED, started_at=T0,
        )  # fmt: skip
        out = ExitPlan(
            plan_id="exit:1", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id, step=step,
            reason=ExitReason.MANUAL, started_at=T0,
        )  # fmt: skip
        room.tell(*(PlanChanged(cause=event.cause, plan=plan, ts=T0) for plan in (entry, out)))

    def say(text: str) -> None:
        said.append(text)
        if ": reading" in text:
            step(asked[0], ExitStep.WAITING)

    def begin(event: FlattenRequested) -> None:
        asked.append(event)
        step(event, ExitStep.READING)

    room.on_flatten = begin
    await run(room, "flatten yes", replace(caller, say=say))
    text = "\n".join(said[1:])
    assert "MNQZ6 in PAPER-50K: reading" in text
    assert "MNQZ6 in PAPER-50K: waiting" in text
    assert "accepted" not in text
    assert text.count("left: MNQZ6 +2 in PAPER-50K") == 1


@pytest.mark.parametrize(("answer", "asked"), [(False, 0), (True, 1)])
async def test_flatten_asks_first_where_somebody_can_answer(
    room: Room, caller: Caller, answer: bool, asked: int
) -> None:
    room.tell(*rooms.position_records())
    room.on_flatten = lambda event: room.tell(*rooms.flat_records())
    questions: list[str] = []

    async def confirm(question: str) -> bool:
        questions.append(question)
        return answer

    await run(room, "flatten", replace(caller, by="console", confirm=confirm))
    assert questions == ["Flatten everything: MNQZ6 +2 in PAPER-50K, 2 working orders. Really?"]
    assert len(room.events) == asked


@pytest.mark.parametrize("line", ["flatten yes", "flatten MNQ --yes", "Flatten YES mnq"])
async def test_flatten_yes_asks_nothing(room: Room, caller: Caller, line: str) -> None:
    async def confirm(question: str) -> bool:
        raise AssertionError(question)

    assert (await run(room, line, replace(caller, confirm=confirm))).ok


async def test_flatten_in_shadow_says_that_nothing_was_sent(room: Room, caller: Caller) -> None:
    room.verdict = Verdict(kind=VerdictKind.WOULD_SEND, reason="shadow", text="shadow: would flatten")
    result = await run(room, "flatten yes", caller)
    assert not result.ok
    assert "would_send: shadow" in result.text


async def test_flatten_without_a_journal_says_that_nothing_was_done(room: Room, caller: Caller) -> None:
    room.failure = StoreError("disk full")
    assert "Nothing was done" in (await run(room, "flatten yes", caller)).text


# --- the house ---------------------------------------------------------------------------------------------------


async def test_status_tells_mode_phase_and_what_a_failed_part_means(room: Room, caller: Caller) -> None:
    room.desk.troubles["history cache"] = "timed out; history is read on demand"
    text = (await run(room, "status", caller)).text
    assert "PAPER: simulated gateway, simulated money" in text
    assert "08:30:00 CST" in text
    assert "15:30:00 CET" in text
    assert "history cache: timed out; history is read on demand" in text
    assert "1 of 1 agree with the gateway" in text


@pytest.mark.parametrize("is_reconciled", [True, False])
async def test_status_does_not_promise_decisions_that_wait_for_the_gateway(
    room: Room, caller: Caller, is_reconciled: bool
) -> None:
    """Cause: with the gateway away it said "ready: alerts are decided at once", and below it that alerts are held."""
    if not is_reconciled:
        room.tell(ResyncStarted(cause=CAUSE, reason="gap", ts=T0))
    text = (await run(room, "status", caller)).text
    assert ("alerts are decided at once" in text) is is_reconciled
    assert ("alerts are held until their account agrees with the gateway" in text) is not is_reconciled


async def test_bot_shows_its_url_template_and_a_line_to_try(room: Room, caller: Caller) -> None:
    result = await run(room, "bot", caller)
    assert f"http://127.0.0.1:8080/tv/{rooms.TOKEN}" in result.text
    assert "{{strategy.order.action}}" in result.text
    assert "curl -sS -X POST http" in result.text


async def test_quit_stops_the_daemon(room: Room, caller: Caller) -> None:
    assert (await run(room, "quit", caller)).ok
    assert room.desk.stop.is_set()
