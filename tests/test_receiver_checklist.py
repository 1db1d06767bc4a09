"""The receiver checklist of TradingView reference 13, line by line: the tests that prove each line, and the ones of its own.

A line is proven by what stands under it; ``test_every_named_test_is_there`` reads the files and says which name is gone.
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from desk.alerts import dedupe_key, read_body
from desk.bots import Wanted, interpret
from desk.core.alert import Alert
from desk.core.events import AlertReceived
from desk.core.orders import Role
from desk.core.records import IncidentRaised, Verdict, VerdictKind
from tests.bots.build import BOT, NOW, where
from tests.bots.build import alert as bot_alert
from tests.daemon import SCALE, alert, quiet_sim, running_desk
from tests.engine.test_entries import roomy
from tests.engine.test_world import calm
from tests.engine.world import PLACE, World

ROOT = Path(__file__).parents[1]
GIVES_UP_S = 3.0 * SCALE  # TradingView; p99 below 50 ms is measured by `python -m benchmarks --only door`
PARALLEL = 50
DELIVERIES = (0.0, 5.0, 5.0, 5.0)  # TradingView's re-sends: at 0, 5, 10 and 15 s


class Line(NamedTuple):
    """text: of the checklist, shortened. tests: file::function. beside: of features that come with files of their own."""

    text: str
    tests: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


HERE = "tests/test_receiver_checklist.py::"
DOOR, LIMITS = "tests/surfaces/test_public_door.py::", "tests/surfaces/test_public_door_limits.py::"
KILLS, WEBHOOK, BODIES = (
    "tests/test_daemon_kills.py::",
    "tests/test_webhook_server.py::",
    "tests/alerts/test_bodies.py::",
)
FIELDS, MEANING, REPEATS = (
    "tests/alerts/test_fields.py::",
    "tests/bots/test_interpret.py::",
    "tests/engine/test_repeats.py::",
)
WATCHDOG = "tests/engine/test_signals_watchdog.py::"
SYMBOLS, ORDER = "tests/core/test_symbols_catalogue.py::", "tests/engine/test_signals_order.py::"

CHECKLIST = (
    Line(
        "200 within 50 ms at p99 under 50 parallel posts; journal row fsynced first",
        (
            HERE + "test_fifty_parallel_posts_are_answered_when_their_rows_are_in_the_journal",
            "tests/runtime/test_loop.py::test_an_answer_comes_after_its_commit",
            "tests/store/test_journal.py::test_every_commit_reaches_the_disk",
            "tests/test_benchmarks.py::test_a_tiny_run_measures_every_group",
        ),
    ),
    Line(
        "slow Gateway, dead Gateway, full queue: answer time unchanged",
        (
            "tests/surfaces/test_public_door_gateway.py::"
            "test_a_gateway_that_does_not_answer_delays_no_answer_and_makes_no_5xx",
            "tests/surfaces/test_public_door_gateway.py::test_a_gateway_that_is_not_there_delays_no_answer",
            DOOR + "test_a_full_queue_is_503_at_once",
            "tests/runtime/test_inbox.py::test_a_full_inbox_refuses_an_alert_at_once",
        ),
    ),
    Line(
        "same body 4 times at 0/5/10/15 s: one order",
        (
            HERE + "test_four_deliveries_of_one_body_are_one_order",
            REPEATS + "test_the_same_message_again_is_a_duplicate",
        ),
    ),
    Line(
        "same body 4 times around a kill -9 after journal, before order, after order, before answer: one order",
        (
            HERE + "test_four_deliveries_with_a_kill_after_any_step_are_one_order",
            KILLS + "test_a_kill_after_the_fill_changes_nothing",
            KILLS + "test_a_kill_while_the_order_is_on_its_way_leaves_one_order",
            KILLS + "test_kills_at_random_moments_give_exactly_one_order_per_alert",
            "tests/chaos/test_chaos_short.py::"
            "test_five_hundred_alerts_and_three_kills_lose_double_orphan_and_bare_nothing",
        ),
    ),
    Line(
        "identical text 10 minutes later (no time field): executed again",
        (
            HERE + "test_the_same_text_ten_minutes_later_is_executed_again",
            REPEATS + "test_each_kind_of_key_is_remembered_for_its_own_time",
        ),
    ),
    Line(
        "exit and entry in the same millisecond, both arrival orders, 1 000 random schedules: same final position",
        beside=(
            ORDER + "test_exit_and_entry_in_the_same_millisecond",
            ORDER + "test_a_thousand_schedules_of_two_connections_end_alike",
        ),
    ),
    Line(
        "reversal 2 long -> 2 short: never more than 2 either way, no working order left of the old side",
        (
            HERE + "test_a_reversal_of_two_never_holds_more_than_two_and_leaves_nothing_of_the_old_side",
            "tests/bots/test_laws.py::test_the_sides_of_a_reversal_are_never_held_together",
            "tests/engine/test_reverses.py::test_a_reversal_killed_at_every_step_ends_reversed_or_flat_and_told",
        ),
    ),
    Line(
        "exit alert after the live stop already filled: no order",
        ("tests/engine/test_scenarios.py::test_an_exit_alert_after_the_stop_filled_makes_no_order",),
    ),
    Line(
        "lost message (drop any one of a sequence): position matches the next target, incident raised",
        ("tests/bots/test_laws.py::test_a_strategy_message_ends_at_its_target_or_nearer_to_flat",),
        beside=(ORDER + "test_any_one_message_may_be_lost", ORDER + "test_what_never_came_is_told_also_behind_an_exit"),
    ),
    Line(
        "late entry (age > max) refused, late exit executed",
        (
            "tests/risk/test_approve.py::test_an_entry_past_its_age_is_not_taken",
            MEANING + "test_what_takes_risk_away_is_never_too_late",
            MEANING + "test_a_late_reversal_still_closes_and_its_entry_is_not_fresh",
        ),
    ),
    Line(
        "text/plain JSON, JSON with BOM, CRLF, trailing newline, array, numeric strings, NaN, missing, {{left}}",
        (
            WEBHOOK + "test_the_content_type_is_never_believed",
            BODIES + "test_json_is_json_whatever_stands_around_it",
            BODIES + "test_an_array_is_read_in_order_and_as_a_whole",
            BODIES + "test_broken_json_is_explained_at_its_character",
            FIELDS + "test_numeric_texts_are_sizes",
            FIELDS + "test_bare_words_and_huge_numbers_as_sizes_are_refused",
            FIELDS + "test_a_missing_price_is_none_and_never_zero",
            FIELDS + "test_a_missing_size_is_refused_where_contracts_are_asked_for",
        ),
    ),
    Line(
        "quote inside comment: no order, incident with raw text",
        (
            HERE + "test_a_quote_inside_a_comment_is_an_incident_and_no_order",
            BODIES + "test_a_quote_in_a_comment_keeps_the_raw_text_and_makes_no_order",
        ),
    ),
    Line(
        "each dialect of section 10: golden file raw -> canonical -> orders",
        ("tests/alerts/test_golden.py::test_a_golden_body_reads_as_written_down",),
        beside=(
            "tests/alerts/test_dialects_json.py::test_a_golden_body_reads_as_written_down",
            "tests/alerts/test_discord.py::test_a_golden_message_reads_as_written_down",
        ),
    ),
    Line(
        "all 51 roots: PREFIX:ROOT1!, dated, 1- and 2-digit year, bare root -> one Gateway id; and back",
        (
            SYMBOLS + "test_both_tables_hold_the_same_51_products",
            SYMBOLS + "test_every_spelling_of_every_product_leads_to_the_listed_contract_and_back",
            SYMBOLS + "test_a_month_that_is_not_listed_is_refused_and_never_another_one",
        ),
    ),
    Line(
        "CME_MINI_DL: refused live, accepted in paper mode with a warning",
        (
            MEANING + "test_delayed_data_opens_nothing_in_live_mode",
            HERE + "test_delayed_data_is_taken_on_paper_with_a_warning",
        ),
    ),
    Line(
        "wrong secret 10 000 times: constant time, no lock-out of the right one, one log line per minute",
        (
            LIMITS + "test_ten_thousand_wrong_secrets_are_one_line_a_minute_and_the_right_one_still_works",
            LIMITS + "test_a_secret_is_compared_with_every_bots_whatever_is_offered",
            WEBHOOK + "test_two_hundred_wrong_secrets_are_one_log_line_and_the_right_one_still_works",
        ),
    ),
    Line(
        "forged X-Forwarded-For from a non-proxy: ignored",
        (
            WEBHOOK + "test_only_allowed_addresses_may_post",
            DOOR + "test_a_forwarded_address_counts_only_from_this_computer",
        ),
    ),
    Line(
        "10 MB body, slow-loris, wrong method, HEAD/GET health probes",
        (
            WEBHOOK + "test_a_body_of_10_mb_is_refused_without_being_read",
            WEBHOOK + "test_a_chunked_body_of_10_mb_is_cut_off",
            DOOR + "test_a_body_of_10_mb_is_refused_before_the_sender_is_asked_for_it",
            LIMITS + "test_five_hundred_slow_clients_do_not_hold_up_a_real_alert",
            LIMITS + "test_where_connections_run_out_the_slowest_makes_room",
            WEBHOOK + "test_a_connection_that_never_asks_is_closed",
            WEBHOOK + "test_a_slow_body_gets_503_and_the_connection_is_closed",
            WEBHOOK + "test_a_wrong_method_gets_405",
            DOOR + "test_probes_are_answered_and_change_nothing",
        ),
    ),
    Line(
        "heartbeat overdue in session: warning; out of session or holiday: silent",
        beside=(
            WATCHDOG + "test_an_overdue_heartbeat_is_told_once",
            WATCHDOG + "test_nothing_is_overdue_out_of_session",
        ),
    ),
    Line(
        "16 alerts in 3 minutes: the user is warned before TradingView stops the alert",
        beside=(WATCHDOG + "test_before_tradingview_stops_an_alert_a_person_is_warned_once",),
    ),
)


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of all functions and methods of a file, as the source has them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_checklist_has_twenty_lines_and_none_is_without_a_test() -> None:
    assert len(CHECKLIST) == 20
    assert [line.text for line in CHECKLIST if not (line.tests or line.beside)] == []


@pytest.mark.parametrize("line", CHECKLIST, ids=lambda line: line.text[:60])
def test_every_named_test_is_there(line: Line) -> None:
    for name in line.tests:
        path, _, function = name.partition("::")
        assert function in functions_of(ROOT / path), f"{name} is gone: {line.text}"
    missing = [name for name in line.beside if not (ROOT / name.partition("::")[0]).is_file()]
    for name in set(line.beside) - set(missing):
        path, _, function = name.partition("::")
        assert function in functions_of(ROOT / path), f"{name} is gone: {line.text}"
    if missing:
        pytest.skip(f"waits for {', '.join(missing)}")


# --- lines that need a test of their own ---------------------------------------------------------------------------------


async def test_fifty_parallel_posts_are_answered_when_their_rows_are_in_the_journal(tmp_path: Path) -> None:
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        loop, journal = asyncio.get_running_loop(), desk.session.desk.journal

        async def post(number: int) -> tuple[float, str]:
            began = loop.time()
            status, answer = await desk.post(alert("note", id=f"note-{number}", symbol=None))
            assert (status, answer["verdict"]) == (200, "accepted")
            return loop.time() - began, answer["alert_id"]

        answers = await asyncio.gather(*(post(number) for number in range(PARALLEL)))
        assert max(took_s for took_s, _ in answers) < GIVES_UP_S
        kept = {row.alert_id for row in await journal.recent_alerts(PARALLEL)}
        assert kept == {alert_id for _, alert_id in answers}


ENTRY = {"v": 1, "symbol": "CME_MINI:MNQ1!", "action": "enter_long", "qty": 2, "stop": {"unit": "points", "value": 20}}


def deliver(world: World, body: dict[str, Any]) -> Verdict:
    """One delivery of a body, read and keyed as the door does it."""
    reading = read_body(json.dumps(body).encode())
    (message,) = reading.alerts
    key, window_s = dedupe_key(reading, 0)
    return world.alert(message, key=key, body=reading.body_sha256, window_s=window_s)


def fired(world: World) -> dict[str, Any]:
    return {**ENTRY, "fired_at": f"{world.now:%Y-%m-%dT%H:%M:%SZ}"}


@pytest.mark.parametrize("has_time", [True, False])
def test_four_deliveries_of_one_body_are_one_order(has_time: bool) -> None:
    """Without a time the window is 10 s: the third delivery is a new message then, and finds the position there."""
    world = roomy()
    body = fired(world) if has_time else ENTRY
    kinds = []
    for pause_s in DELIVERIES:
        world.run(pause_s)
        kinds.append(deliver(world, body).kind)
    assert kinds[:2] == [VerdictKind.ACCEPTED, VerdictKind.DUPLICATE]
    assert kinds[2:] == [VerdictKind.DUPLICATE if has_time else VerdictKind.IGNORED, VerdictKind.DUPLICATE]
    assert calm(world).venue.qty(PLACE) == 2
    assert len(world.entries()) == 1


@pytest.mark.parametrize("steps", range(8))
def test_four_deliveries_with_a_kill_after_any_step_are_one_order(steps: int) -> None:
    """0: journalled, nothing was sent; then on its way, taken, answered, filled ... The sender heard nothing and repeats."""
    world = roomy()
    body = fired(world)
    for pause_s in DELIVERIES:
        world.run(pause_s)
        deliver(world, body)
        for _ in range(steps):
            world.step()
        world.kill()
    assert calm(world).venue.qty(PLACE) == 2
    assert len(world.entries()) == 1


def test_the_same_text_ten_minutes_later_is_executed_again() -> None:
    world = roomy()
    for _ in range(2):
        assert deliver(world, ENTRY).kind is VerdictKind.ACCEPTED
        world.run(60)
        world.trade(world.leg(Role.STOP).gateway_order_id)
        world.run(600)
    assert calm(world).venue.qty(PLACE) == 0
    assert len(world.entries()) == 2


def positions_of(world: World, seconds: float) -> Iterator[int]:
    """What is held after each step."""
    until = world.now + timedelta(seconds=seconds)
    while world.now < until and world.step():
        yield world.venue.qty(PLACE)


def test_a_reversal_of_two_never_holds_more_than_two_and_leaves_nothing_of_the_old_side() -> None:
    world = roomy()
    deliver(world, ENTRY)
    world.run(5)
    old = {order.gateway_order_id for order in world.venue.working(PLACE)}
    assert (world.venue.qty(PLACE), len(old)) == (2, 1)
    short = {
        **ENTRY,
        "action": "sell",
        "qty": 4,
        "position": {"now": "short", "size": 2, "prev": "long", "prev_size": 2},
    }
    assert deliver(world, short).kind is VerdictKind.ACCEPTED
    held = list(positions_of(world, 30))
    assert (max(held), min(held), held[-1]) == (2, -2, -2)
    working = {order.gateway_order_id for order in calm(world).venue.working(PLACE)}
    assert len(working) == 1
    assert not working & old


def test_a_quote_inside_a_comment_is_an_incident_and_no_order() -> None:
    body = b'{"v":1,"action":"enter_long","symbol":"MNQ1!","qty":2,"comment":"say "hi""}'
    reading, world = read_body(body), roomy()
    key, window_s = dedupe_key(reading, 0)
    event = AlertReceived(
        cause=world.new_cause(), bot=world.bot.name, alert=None, problem=reading.problem, raw=reading.raw,
        body_sha256=reading.body_sha256, dedupe_key=key, dedupe_window_s=window_s, source="127.0.0.1", ts=world.now,
    )  # fmt: skip
    verdict = world.give(event)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "UNREADABLE")
    assert "quote" in verdict.text
    (incident,) = [record for record in world.journal if isinstance(record, IncidentRaised)]
    assert (incident.cause, event.raw) == (event.cause, body.decode())
    assert calm(world).entries() == []


def test_delayed_data_is_taken_on_paper_with_a_warning() -> None:
    message: Alert = bot_alert(symbol="CME_MINI_DL:MNQ1!")
    meaning = interpret(message, replace(BOT, takes_delayed_data=True), where(symbol="CME_MINI_DL:MNQ1!"), NOW)
    assert isinstance(meaning, Wanted)
    assert "CME_MINI_DL:MNQ1! is delayed data: taken in paper mode only" in meaning.warnings
