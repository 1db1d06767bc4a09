"""docs/dialects.md says what the translators of JSON messages do with every field, and every field of the reference is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desk.alerts.dialects import OBJECT_DIALECTS
from desk.alerts.dialects.fields import Foreign
from desk.alerts.terms import DialectTerms
from desk.alerts.values import Refusal
from desk.alerts.wire import Json, parse_json
from tests.alerts.test_dialects_json import LEG, PICK, PLAIN, POST, STEP, TERMS, goldens, with_numbers_as_text

PAGE = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
REFERENCE = {  # TradingView reference 10.1, 10.2, 10.4, 10.6
    "TradersPost": "ticker action sentiment quantity quantityType price signalPrice orderType limitPrice stopPrice trailAmount "
    "trailPercent takeProfit.limitPrice takeProfit.percent takeProfit.amount stopLoss.type stopLoss.stopPrice stopLoss.percent "
    "stopLoss.amount stopLoss.limitPrice stopLoss.trailAmount stopLoss.trailPrice stopLoss.trailPercent timeInForce time "
    "interval delay cancel cancelOrderType ignoreTradingWindows extendedHours extras message",
    "PickMyTrade": "symbol strategy_name date data quantity risk_percentage price order_type stp_limit_stp_price gtd_in_second "
    "tp percentage_tp dollar_tp sl percentage_sl dollar_sl trail trail_stop trail_trigger trail_freq breakeven breakeven_offset "
    "update_tp update_sl pyramid duplicate_position_allow same_direction_ignore reverse_order_close advance_tp_sl "
    "advance_tp_sl[].quantity advance_tp_sl[].tp advance_tp_sl[].percentage_tp advance_tp_sl[].dollar_tp advance_tp_sl[].sl "
    "advance_tp_sl[].breakeven advance_tp_sl[].breakeven_offset advance_tp_sl[].trail multiple_accounts "
    "multiple_accounts[].account_id multiple_accounts[].connection_name multiple_accounts[].risk_percentage "
    "multiple_accounts[].quantity_multiplier token account_id platform connection_name inst_type comment full_closed "
    "place_order_at",
    "3Commas": "secret max_lag timestamp trigger_price tv_exchange tv_instrument action bot_uuid strategy_info.market_position "
    "strategy_info.market_position_size strategy_info.prev_market_position strategy_info.prev_market_position_size order.amount "
    "order.currency_type alertTimestamp",
    "topstepbot": "type ticker side entry stop tp timeframe strat",
    "minimal REST": "action symbol quantity price stop_loss take_profit",
    "robswc": "key",
}
SECRETS = {"PickMyTrade": {"token"}, "3Commas": {"secret"}, "robswc": {"key"}}  # masked before a translator sees them
WITHOUT_INNER = {"takeProfit", "stopLoss", "strategy_info", "order"}  # named by what stands in them
OTHERS: dict[str, list[dict[str, object]]] = {  # ways that no golden body takes
    "TradersPost": [POST | {"stopLoss": {"type": "trailing_stop"}}, POST | {"orderType": "market", "trailAmount": 0}],
    "PickMyTrade": [PICK, PICK | {"advance_tp_sl": [LEG], "account_id": "x"}],
    "topstepbot": [STEP | {"side": None}],
    "minimal REST": [PLAIN | {"quantity": None}],
}


def named(dialect: str) -> set[str]:
    section = re.split(rf"^### {re.escape(dialect)}$", PAGE, flags=re.MULTILINE)[1]
    table = re.split(r"^#", section, flags=re.MULTILINE)[0].split("| field | what happens |")[1]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def touched(dialect: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every field that the translator asks for, over all messages of its form."""
    seen: set[str] = set()
    take, keep = Foreign.take, Foreign.keep

    def noted(fields: Foreign, name: str) -> Json:
        seen.add(fields.path(name))
        return take(fields, name)

    def kept(fields: Foreign, *names: str) -> None:
        seen.update(map(fields.path, names))
        keep(fields, *names)

    monkeypatch.setattr(Foreign, "take", noted)
    monkeypatch.setattr(Foreign, "keep", kept)
    bodies = [parse_json(path.read_text(encoding="utf-8")) for path in goldens()]
    for body in [*bodies, *map(with_numbers_as_text, OTHERS.get(dialect, []))]:
        for terms in (TERMS, DialectTerms()):
            try:
                assert isinstance(body, dict)
                OBJECT_DIALECTS[dialect](body, terms)
            except Refusal:
                continue
    return {re.sub(r"\[\d+\]", "[]", path) for path in seen} - WITHOUT_INNER


@pytest.mark.parametrize("dialect", sorted(OBJECT_DIALECTS.keys() & REFERENCE.keys()))
def test_every_field_of_the_reference_stands_on_the_page(dialect: str) -> None:
    assert set(REFERENCE[dialect].split()) <= named(dialect)


@pytest.mark.parametrize("dialect", sorted(OBJECT_DIALECTS.keys() & REFERENCE.keys()))
def test_the_page_names_what_a_translator_reads_and_nothing_else(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(dialect) - SECRETS.get(dialect, set()) == touched(dialect, monkeypatch)
