"""The JSON of the private API, and how values are written for people."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from desk.core.ids import GatewayOrderId
from desk.core.orders import OrderState, Role
from desk.core.plans import ExitPlan, ExitReason, ExitStep
from desk.core.records import ForeignOrderChanged, OrderChanged, PlanChanged
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.runtime.desk import StartStep
from desk.surfaces import view
from desk.surfaces.banner import banner_page, curl_lines
from desk.surfaces.calls import Urls
from desk.surfaces.sheet import Cell, Line, Sheet, page_as_text, page_for_rich, printable
from desk.surfaces.show import age_text, price_text, zone_names
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room


def state_json(room: Room) -> dict[str, object]:
    decoded = json.loads(view.encode(view.state_view(room.desk)), parse_float=Decimal)
    assert isinstance(decoded, dict)
    return decoded


async def test_the_state_of_an_empty_desk_is_complete(room: Room) -> None:
    state = state_json(room)
    assert (state["mode"], state["ready"], state["phase"], state["version"]) == ("paper", True, "ready", "0.1.0")
    assert state["positions"] == state["orders"] == state["plans"] == state["last_exits"] == []
    assert state["accounts"][0]["balance"] == 50000  # type: ignore[index]


async def test_a_position_carries_its_legs_and_exact_numbers(room: Room) -> None:
    room.tell(*rooms.position_records())
    room.clock.advance(3)
    position = state_json(room)["positions"][0]  # type: ignore[index]
    assert (position["symbol"], position["side"], position["qty"]) == ("MNQZ6", "long", 2)
    assert position["avg_price"] == Decimal("21034.25")
    assert position["stop"]["price"] == Decimal("21014.25")
    assert (position["stop"]["state"], position["stop"]["gateway_order_id"]) == ("working", 502)
    assert (position["target"]["price"], position["target"]["gateway_order_id"]) == (Decimal("21074.25"), 503)
    assert position["is_protected"] is True
    assert position["unrealised_usd"] is None
    assert position["age_ms"] == 3000


async def test_legs_whose_cancel_was_answered_protect_nothing(room: Room) -> None:
    """Cause: with the hub down their reports did not come, and a position without a stop was shown as protected."""
    room.tell(*rooms.position_records())
    (position,) = view.view_positions(room.desk)
    ids = [leg.gateway_order_id for leg in position.legs]
    plan = ExitPlan(
        plan_id="exit:1", cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id,
        reason=ExitReason.MANUAL, step=ExitStep.READING, started_at=T0,
        gone=tuple((order_id, T0) for order_id in ids if order_id is not None),
    )  # fmt: skip
    room.tell(PlanChanged(cause=CAUSE, plan=plan, ts=T0))
    (position,) = view.view_positions(room.desk)
    assert (position.is_protected, position.covered_qty, position.stop, position.legs) == (False, 0, None, ())


async def test_orders_list_only_what_may_still_trade(room: Room) -> None:
    room.tell(*rooms.position_records())
    orders = state_json(room)["orders"]
    assert [(o["role"], o["gateway_order_id"]) for o in orders] == [("stop", 502), ("target", 503)]  # type: ignore[attr-defined]
    assert all(o["parent"] == rooms.entry_order().client_order_id for o in orders)  # type: ignore[attr-defined]


async def test_a_stop_made_by_hand_protects_and_is_shown_as_not_ours(room: Room) -> None:
    by_hand = VenueOrder(
        gateway_order_id=GatewayOrderId(900), account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.STOP,
        status=OrderStatus.OPEN, side=Side.SELL, qty=2, filled_qty=0, stop_price=Decimal("21000"), created_at=T0,
    )  # fmt: skip
    room.tell(*rooms.position_records(stop=None), ForeignOrderChanged(cause=CAUSE, order=by_hand, ts=T0))
    position = view.view_positions(room.desk)[0]
    assert position.is_protected
    assert position.stop is not None
    assert (position.stop.is_ours, position.stop.price) == (False, Decimal("21000"))
    assert [order.role for order in view.view_orders(room.desk)] == ["target", "foreign"]


async def test_of_two_stops_the_nearer_one_is_shown(room: Room) -> None:
    room.tell(*rooms.position_records())
    nearer = rooms.leg_order(Role.STOP, "21020.00", OrderState.WORKING)
    other = rooms.replaced(nearer, client_order_id="dsk-other-SL", gateway_order_id=GatewayOrderId(600))
    room.tell(OrderChanged(cause=CAUSE, order=other, why="venue", ts=T0))
    position = view.view_positions(room.desk)[0]
    assert position.stop is not None
    assert position.stop.price == Decimal("21020.00")
    assert len(position.legs) == 3


async def test_an_age_is_never_negative(room: Room) -> None:
    room.tell(*rooms.position_records())
    room.clock.time = T0 - timedelta(seconds=2)
    assert view.view_positions(room.desk)[0].age_ms == 0


@pytest.mark.parametrize(
    ("price", "text"), [("21034.25", "21034.25"), ("21034", "21034.00"), ("21034.333333", "21034.3333"), (None, "–")]
)
def test_prices_have_the_contracts_decimals_and_more_only_off_the_grid(price: str | None, text: str) -> None:
    assert price_text(None if price is None else Decimal(price), MNQ) == text


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (119_000, "119 s"), (600_000, "10 min"), (9e6, "2.5 h"), (None, "–")],
)
def test_ages_are_short(age_ms: float | None, text: str) -> None:
    assert age_text(age_ms) == text


def test_control_characters_become_visible() -> None:
    assert printable("a\x1b[31mb\r\nc\u202ed") == "a\\x1b[31mb\\r\\nc\\u202ed"


def test_a_table_aligns_numbers_right_and_words_left() -> None:
    sheet = Sheet.of("name,>n", [("a", "1"), (Cell("bcd", "red"), "1000")])
    assert page_as_text((Line("head"), sheet)).splitlines() == ["head", "name     n", "a        1", "bcd   1000"]


def drawn(sheet: Sheet, width: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width).print(page_for_rich((sheet,)), crop=False)
    return [line.rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_however_narrow_the_terminal_a_price_stays_in_one_piece(width: int) -> None:
    sheet = Sheet.of("symbol,>avg price,>stop,account", [("MNQZ6", "30943.75", "30923.75", "50KTC-V2-1")])
    text = "\n".join(drawn(sheet, width))
    assert all(cell in text for cell in ("MNQZ6", "30943.75", "30923.75", "50KTC-V2-1"))
    assert all(len(line) <= width for line in drawn(sheet, width))


def test_only_the_words_at_the_end_of_a_table_are_folded() -> None:
    sheet = Sheet.of("alert,text", [("01M7Y1ZATHDQW1AG9FVHBXVQXQ", "an entry needs a stop, in points or ticks")])
    head, first, *_ = drawn(sheet, 60)
    assert head.split() == ["alert", "text"]
    assert first.startswith("01M7Y1ZATHDQW1AG9FVHBXVQXQ  an entry needs a stop")


def test_a_long_table_is_drawn_before_an_alert_could_notice() -> None:
    sheet = Sheet.of("day,>open,>close,", [("Wed", "30943.75", "30923.75", "")] * 1000)
    began = time.process_time()
    assert len(drawn(sheet, 80)) == 1001
    assert time.process_time() - began < 0.3


def test_times_across_a_change_of_the_clocks_name_both_zones() -> None:
    new_york = ZoneInfo("America/New_York")
    before, after = datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    assert zone_names(before, after, new_york) == "EDT/EST"
    assert zone_names(after, after, new_york) == "EST"


async def test_a_banner_that_is_kept_in_a_file_shows_no_live_secret(room: Room) -> None:
    urls = Urls("http://a", "http://b")
    room.desk.mode = "live"
    assert rooms.TOKEN in page_as_text(banner_page(room.desk, urls))
    assert rooms.TOKEN not in page_as_text(banner_page(room.desk, urls, is_kept=True))


async def test_the_banner_says_what_nobody_can_misread(room: Room) -> None:
    text = page_as_text(
        banner_page(room.desk, Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081", "data/api.token"))
    )
    assert "PAPER: simulated gateway, simulated money" in text
    assert "FAILED: timed out (history is read on demand)" in text
    assert "contracts, history cache" in text, "the accounts were read at the same time"
    assert "data/api.token" in text
    assert rooms.API_TOKEN not in text
    room.desk.steps[:] = [StartStep("history cache", 0.27, 0.9, is_running=True, progress="3 of 8 series")]
    running = page_as_text(banner_page(room.desk, Urls("http://a", "http://b")))
    assert "running, 3 of 8 series, ready does not wait for it" in running
    room.desk.mode = "live"
    assert "NOTHING IS SENT" in page_as_text(banner_page(room.desk, Urls("http://a", "http://b")))


async def test_the_example_can_be_pasted_minutes_later(room: Room) -> None:
    (line,) = curl_lines(room.desk, "http://127.0.0.1:8080", room.desk.bots[0])
    body = json.loads(line.partition("--data '")[2].rstrip("'"))
    assert "fired_at" not in body, "its age would be checked"
    assert (body["symbol"], body["action"], body["qty"]["value"]) == ("CME_MINI:MNQ1!", "enter_long", 2)
    assert (body["stop"], body["targets"]) == (
        {"unit": "points", "value": 20},
        [{"unit": "points", "value": 40}],
    )


async def test_without_contracts_no_example_is_printed(room: Room) -> None:
    room.desk.catalogue = {}
    assert curl_lines(room.desk, "http://127.0.0.1:8080", room.desk.bots[0]) == []
