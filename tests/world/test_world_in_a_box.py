"""The desk's whole inside over many trading hours: main loop, engine, lanes and the simulated exchange on virtual time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import pytest

from desk.core.records import AlertDecided, Record
from desk.engine import apply
from desk.orders.move import Move, Timer
from desk.sim.model import Bracket
from tests.world.__main__ import main
from tests.world.box import Report, World
from tests.world.faults import Rates

HOURS = 20.0


def shown(report: Report) -> str:
    return "\n".join([*map(str, report.newest), str(report)])


SEEDS = range(1, 6)
MANUAL = Rates(commands=15.0)


def run_one(seed: int, rates: Rates) -> Report:
    return World(seed, rates).run(HOURS)


@pytest.fixture(scope="module")
def reports() -> dict[tuple[int, Rates], Report]:
    """The long runs, each in a process of its own, as many at once as there are cores: they share nothing."""
    wanted = [(1, MANUAL), *((seed, Rates()) for seed in SEEDS)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return dict(zip(wanted, pool.map(run_one, *zip(*wanted, strict=True)), strict=True))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_hours_of_an_alert_a_minute_break_no_law(seed: int, reports: dict[tuple[int, Rates], Report]) -> None:
    report = reports[seed, Rates()]
    print(report)
    assert not report.broken, shown(report)
    assert report.counts["alerts"] > 0.9 * HOURS * 60
    assert report.counts["orders"] > 400
    assert report.faults["kills"] > 0


@pytest.mark.timeout(180)
def test_a_person_who_trades_beside_the_alerts_breaks_no_law(reports: dict[tuple[int, Rates], Report]) -> None:
    report = reports[1, MANUAL]
    assert not report.broken, shown(report)
    assert report.commands.total() > 10 * HOURS


def test_entries_that_wait_for_a_quote_break_no_law() -> None:
    with patch.dict("tests.world.sender._WEIGHTS", trailing=40):
        report = World(2, replace(Rates(), dark_markets=12.0)).run(3)
        calm = World(2, replace(Rates.none(), dark_markets=12.0)).run(3)
    assert not report.broken, shown(report)
    assert not calm.broken, shown(calm)
    assert calm.verdicts["held"] > 0, "nothing else waits on such a day"


def test_a_roll_in_the_middle_breaks_no_law() -> None:
    """From one month to the next with positions and orders in the old one."""
    report = World(3, start=datetime(2026, 12, 14, 19, tzinfo=UTC)).run(6)
    assert not report.broken, shown(report)
    assert report.counts["rolls"] == 2


def test_on_a_good_day_a_position_waits_for_its_stop_only_as_long_as_the_venue_takes() -> None:
    report = World(7, Rates.none()).run(4)
    assert not report.broken, shown(report)
    longest = report.longest_s
    print(report)
    assert set(longest) <= {"exit", "waking", "guard", "reduce"}, (
        "the legs wake up after 18 ms; the guard knows of the fill after 8"
    )
    assert longest["reduce"] < 0.5
    assert longest["waking"] + longest["guard"] < 0.05
    assert longest["exit"] < 1.0


def test_a_run_is_a_function_of_its_seed() -> None:
    def digest(seed: int) -> str:
        world, found = World(seed), hashlib.sha256()
        heard = world.journal.written

        def hear(record: Record) -> None:
            found.update(repr(record).encode())
            heard(record)

        world.journal.written = hear
        assert not world.run(1).broken
        return found.hexdigest()

    assert digest(3) == digest(3)
    assert digest(3) != digest(4)


def test_the_command_prints_the_seed_and_what_was_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.world", "--hours", "1", "--seed", "5"],
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=25,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("seed 5", "hours per second", "alerts", "orders", "fills", "naked seconds", "every law held"):
        assert word in done.stdout


# --- the laws notice a desk that breaks them -----------------------------------------------------------------------------


def no_guard(*args: Any) -> Move:
    plan = args[0]
    return Move(plan, timer=Timer(plan.plan_id, 1.0))


def keeps_held(state: Any, record: Any) -> Any:
    return state if isinstance(record, AlertDecided) else apply(state, record)


def does_nothing(*args: Any) -> None:
    return None


BREAKAGES: dict[str, tuple[str, Callable[..., Any], str, Rates, int]] = {
    "a guard that never acts": ("desk.orders.protect.on_snapshot", no_guard, "has no stop", Rates(hand_cancels=10), 1),
    "repeats are forgotten": ("desk.engine.alerts._repeat", does_nothing, "decided twice", Rates.none(), 1),
    "a held alert stays held": ("desk.engine.draft.apply", keeps_held, "fold of the journal", Rates(kills=10), 1),
    "plans are not resumed": (
        "desk.engine.reads.resume_plans",
        does_nothing,
        "has no stop",
        Rates(kills=20, commands=0),
        8,
    ),
    "legs that are too many are left": (
        "desk.engine.trims.saw_position",
        does_nothing,
        "its stops are more",
        Rates(hand_closes=20),
        1,
    ),
    "orphans are left": ("desk.engine.reads.sweep_orphans", does_nothing, "holds +0", Rates(hand_closes=20), 1),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_laws_notice_a_desk_that_breaks_them(name: str) -> None:
    where, broken, words, rates, seed = BREAKAGES[name]
    with patch(where, broken):
        report = World(seed, rates).run(6)
    assert words in report.broken
    assert f"python -m tests.world --seed {seed}" in report.broken
    assert report.newest


def test_the_laws_notice_a_venue_that_forgets_the_stop() -> None:
    def without_stop(ticks: int, kind: int) -> Bracket | None:
        return None if kind == 4 else Bracket(ticks, kind)

    with patch("tests.world.venue.Bracket", without_stop), patch("desk.orders.protect.on_snapshot", no_guard):
        report = World(1, Rates.none()).run(2)
    assert "has no stop" in report.broken


def test_hours_may_be_shared_by_several_worlds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["world", "--hours", "2", "--worlds", "2", "--seed", "3"])
    assert main() == 0
    told = capsys.readouterr().out
    assert told.count("every law held") == 2
    assert "seed 3: " in told
    assert "seed 4: " in told
