"""OctoBot signals, AutoView commands and Alertatron scripts (TradingView reference 10.5, 10.6)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.alerts import read_body
from desk.bots import Nothing, Refusal, interpret, may_open
from desk.core.alert import Action
from desk.core.intents import Cancel, Exit, Intent, MoveStop, Reduce
from desk.core.secret import Secret
from desk.core.words import Side
from desk.risk import Reason
from tests.alerts.told import LONG, SHORT, meaning, problem, read, read_all
from tests.bots.build import BOT, NOW, entry, reason, wanted, where

# --- OctoBot -------------------------------------------------------------------------------------------------------------

BUY = "SYMBOL=MNQ1!;SIGNAL=BUY;VOLUME=3;STOP_PRICE=20980"


def test_an_octobot_signal_with_a_stop_is_an_entry_and_its_targets_share_evenly() -> None:
    made = entry(meaning(read(f"{BUY};TAKE_PROFIT_PRICE=21040;TAKE_PROFIT_PRICE_1=60d;TAKE_PROFIT_PRICE_2=21080")))
    assert (made.side, made.qty, made.care.stop_price) == (Side.BUY, 3, 20980)
    assert [(stage.qty, stage.target_price, stage.target_ticks) for stage in made.stages] == [
        (1, 21040, None), (1, None, 240), (1, 21080, None),
    ]  # fmt: skip


def test_the_ratios_are_those_of_the_prices_in_their_order() -> None:
    text = f"{BUY};TAKE_PROFIT_PRICE_10=21090;TAKE_PROFIT_PRICE_2=21040;TAKE_PROFIT_VOLUME_RATIO_1=1;TAKE_PROFIT_VOLUME_RATIO_2=2"
    targets = read(text).targets
    assert [(target.distance.value, target.qty_ratio) for target in targets] == [(21040, 1), (21090, 2)]


@pytest.mark.parametrize(
    ("text", "held", "wants"),
    [
        ("SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true;VOLUME=1", 3, Reduce(qty=1, side=LONG)),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true", 3, Exit(side=LONG)),
        ("SYMBOL=MNQ1!;SIGNAL=buy;REDUCE_ONLY=1;VOLUME=9", -3, Exit(side=SHORT)),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP;STOP_PRICE=20990;VOLUME=1", 3, MoveStop(price=Decimal(20990))),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL", 3, Cancel()),
    ],
)
def test_an_octobot_signal_gets_out(text: str, held: int, wants: Intent) -> None:
    alert = read(text)
    assert wanted(meaning(alert, held)) == wants
    assert not may_open(alert)
    if not isinstance(wants, Cancel):
        assert isinstance(meaning(alert, -held), Refusal | Nothing)
        assert isinstance(meaning(alert, 0), Refusal | Nothing)


def test_a_bare_signal_is_left_to_the_bots_own_rule() -> None:
    alert = read("SYMBOL=MNQ1!;SIGNAL=SELL;VOLUME=1")
    assert alert.action is Action.SELL
    assert "may be an entry or an exit" in alert.warnings[0]


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("CME_MINI", "CME_MINI:MNQ1!"),
        ("CME_MINI_DL", "CME_MINI_DL:MNQ1!"),
        ("binance", "MNQ1!"),
        ("{{exchange}}", "MNQ1!"),
    ],
)
def test_the_exchange_tells_when_the_chart_is_delayed(exchange: str, symbol: str) -> None:
    alert = read(f"EXCHANGE={exchange};{BUY}")
    assert alert.symbol == symbol
    got = interpret(alert, BOT, where(symbol=symbol), NOW)
    assert isinstance(got, Refusal) is ("_DL" in symbol)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SIGNAL=BUY", "SYMBOL is missing"),
        ("SYMBOL=MNQ1!;SIGNAL={{x}}", "SIGNAL is missing"),
        ("SYMBOL=MNQ1!;SIGNAL=HOLD", "SIGNAL is 'hold'"),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL;TAG=exit1", "TAG with SIGNAL=CANCEL"),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL;PARAM_SIDE=SELL", "PARAM_SIDE with SIGNAL=CANCEL"),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP", "STOP_PRICE is missing"),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP;STOP_PRICE=-3d", "only a price"),
        (f"{BUY};ORDER_TYPE=ICEBERG", "ORDER_TYPE is 'iceberg'"),
        (f"{BUY};ORDER_TYPE=LIMIT", "order.price is missing"),
        (f"{BUY};ORDER_TYPE=LIMIT;PRICE=-3d", "PRICE is '-3d'"),
        (f"{BUY};TRAILING_PROFILE=x", "TRAILING_PROFILE"),
        (f"{BUY};REDUCE_ONLY={{{{x}}}}", "REDUCE_ONLY is '{{x}}', and it decides"),
        (f"{BUY};CANCEL_POLICY=x", "CANCEL_POLICY"),
        (f"{BUY};TAKE_PROFIT_PRICE=-1%", "TAKE_PROFIT_PRICE is '-1%'"),
        (f"{BUY};TAKE_PROFIT_PRICE=21040;TAKE_PROFIT_PRICE_1=21080;TAKE_PROFIT_VOLUME_RATIO_1=1", "give one for each"),
        (BUY.replace("20980", "10%"), "did you mean -10%?"),
        *[(BUY.replace("VOLUME=3", f"VOLUME={size}"), "VOLUME is") for size in ("12%", "20p%", "100q", "0.01", "3a%", "-1")],
    ],
)  # fmt: skip
def test_what_octobot_can_say_and_is_not_available_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)


# --- AutoView and Alertatron ---------------------------------------------------------------------------------------------


def test_a_secret_in_an_autoview_line_hides_nothing_of_what_stands_behind_it() -> None:
    """``c`` makes it an exit, and ``q`` a part of one."""
    reading = read_body(b"b=sell s=MNQ1! secret=hush-hush-hush q=1 c=position")
    assert reading.secret == Secret("hush-hush-hush")
    assert "hush" not in reading.raw
    assert reading.alerts[0].action is Action.EXIT_SHORT
    assert reading.alerts[0].qty.value == 1


@pytest.mark.parametrize(
    ("text", "held", "wants"),
    [
        ("a=* e=cme s=MNQ1! c=position", 3, Exit()),
        ("s = MNQ1! c = position b = long", 3, Exit(side=LONG)),
        ("s=MNQ 12-26 c=position b=short q=50%", -4, Reduce(qty=2, side=SHORT)),
        ("s=MNQ1! c=position cm=1 delay=3 sl=20", 3, Reduce(qty=1, side=LONG)),
        ("s=MNQ1! c=order", 3, Cancel()),
    ],
)
def test_an_autoview_command_gets_out(text: str, held: int, wants: Intent) -> None:
    alert = read(text)
    assert wanted(meaning(alert, held)) == wants
    assert not may_open(alert)


def test_autoview_commands_are_read_one_by_one() -> None:
    alerts = read_all("s=MNQ1! c=position | s=MES1! c=order\r\n# nothing\r\ns=M2K1! c=position b=sell")
    assert [(alert.action, alert.symbol) for alert in alerts] == [
        (Action.EXIT, "MNQ1!"),
        (Action.CANCEL, "MES1!"),
        (Action.EXIT_SHORT, "M2K1!"),
    ]


def test_an_autoview_entry_has_no_stop_and_is_refused_for_it() -> None:
    alert = read("a=main s=MNQ1! b=long q=1 t=limit fp=21000 d=1 l=5")
    assert alert.dry_run
    assert reason(meaning(alert)) is Reason.NO_STOP
    assert read("s=MNQ1! b=sell q=1").action is Action.SELL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s=MNQ1! b=long q=1 sl=20", "sl='20'"),
        ("s=MNQ1! b=long q=1 p=-1%", "p='-1%'"),
        ("s=MNQ1! b=long q=1 delay=5", "delay='5'"),
        ("s=MNQ1! b=long q=50%", "q is '50%'"),
        ("s=MNQ1! b=long q=1 & tp=20", "& adds orders"),
        ("s=MNQ1! c=order b=buy", "c=order with b=buy"),
        ("s=MNQ1! b=up q=1", "b is 'up'"),
        ("a=1 b=buy q=1", "s is missing"),
        ("s=MNQ1! a=1 q=1", "b is missing"),
        ("s=MNQ1! c=all", "c is 'all'"),
        ("s=MNQ1! b=long q=1 c={{x}}", "c is '{{x}}', and it decides"),
        ("s=MNQ1! b=long t=fok", "t is 'fok'"),
        ("s=MNQ1! c=position\n" * 11, "11 commands"),
        ("bitmex(XBTUSD) { market(side=buy, amount=1); }", "template"),
    ],
)
def test_what_is_not_clear_for_futures_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)
