"""The bot's own stop and target, for senders that know none."""

from dataclasses import replace

import pytest

from desk.bots import Meaning, interpret
from desk.core.alert import Action, Alert, Unit
from desk.core.intents import Reverse
from desk.risk import Reason
from tests.bots.build import BOT, NOW, alert, distance, entry, reason, stop_at, target_at, wanted, where

OWN = replace(BOT, stop=distance(80, Unit.TICKS), target=distance(40))


def ask(message: Alert, qty: int = 0) -> Meaning:
    return interpret(message, OWN, where(qty), NOW)


def test_an_entry_without_a_stop_gets_the_bots_and_says_so() -> None:
    meaning = ask(alert(stop=None, targets=()))
    enter = entry(meaning)
    assert enter.stop_ticks == 80
    assert [stage.target_ticks for stage in enter.stages] == [160]
    assert any("the bot's own, 80 ticks" in warning for warning in meaning.warnings)  # type: ignore[union-attr]


def test_what_was_sent_is_never_replaced() -> None:
    enter = entry(ask(alert(stop=stop_at(5), targets=(target_at(10),))))
    assert enter.stop_ticks == 20
    assert [stage.target_ticks for stage in enter.stages] == [40]
    enter = entry(ask(alert(stop=None, targets=(target_at(10),))))
    assert [stage.target_ticks for stage in enter.stages] == [40]


def test_a_reversal_gets_them_too() -> None:
    message = alert(Action.REVERSE, stop=None, targets=())
    intent = wanted(ask(message, qty=-1))
    assert isinstance(intent, Reverse)
    assert intent.enter.stop_ticks == 80


@pytest.mark.parametrize("action", [Action.EXIT, Action.EXIT_LONG, Action.REDUCE])
def test_a_way_out_stays_a_way_out(action: Action) -> None:
    meaning = ask(alert(action, stop=None, targets=()), qty=0)
    assert reason(meaning) is Reason.NOTHING_TO_EXIT


def test_without_one_it_is_refused_as_before() -> None:
    assert reason(interpret(alert(stop=None), BOT, where(0), NOW)) is Reason.NO_STOP
