"""Which account each bot trades, who collides with whom, and what two configurations differ in."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.alerts.terms import DialectTerms, DiscordTerms
from desk.bots import BotConfig, BotSetup
from desk.bots.config import Sizing, Window
from desk.core.alert import Distance, PositionSide, Unit
from desk.core.errors import ConfigError, StoreError
from desk.core.ids import AccountId
from desk.core.secret import Secret
from desk.core.words import Account
from desk.engine.state import State
from desk.runtime.desk import BotDoor
from desk.runtime.differences import Difference, differences
from desk.runtime.reload import what_is_open
from desk.runtime.roster import assigned, default_account, doors_of

BOT = BotConfig(
    name="orb", account_id=None, symbols=frozenset({"MNQ"}), default_qty=1, max_position=2, max_alert_age_s=15
)  # fmt: skip


def account(number: int, name: str, *, can_trade: bool = True) -> Account:
    return Account(account_id=AccountId(number), name=name, balance=Decimal(50000), can_trade=can_trade, simulated=True)


LISTED = (account(1, "LOCKED", can_trade=False), account(2, "FIFTY"), account(3, "HUNDRED"), account(4, "FIFTY"))


def setup(name: str = "orb", where: Any = None, symbols: str = "MNQ") -> BotSetup:
    config = replace(BOT, name=name, symbols=frozenset(symbols.split()))
    return BotSetup(config, where, where=f"desk.toml [bots.{name}]")


def assign(*setups: BotSetup, fallback: int | None = None, is_paper: bool = True) -> dict[str, BotConfig]:
    return dict(assigned(setups, LISTED, None if fallback is None else AccountId(fallback), is_paper=is_paper))


@pytest.mark.parametrize(
    ("where", "fallback", "expected"),
    [(AccountId(3), 2, 3), ("HUNDRED", None, 3), ("3", None, 3), (None, 4, 4), (None, None, 2)],
)
def test_a_bot_gets_its_account_by_id_by_name_by_default_or_on_paper_the_first_that_trades(
    where: Any, fallback: int | None, expected: int
) -> None:
    assert assign(setup(where=where), fallback=fallback)["orb"].account_id == expected


def test_in_live_no_account_is_ever_chosen() -> None:
    assert assign(setup(), is_paper=False)["orb"].account_id is None


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (AccountId(9), "desk.toml [bots.orb] account is not among the accounts of this login: 1 (LOCKED), 2 (FIFTY)"),
        ("a-misplaced-secret", "is not among the accounts"),
        ("FIFTY", "desk.toml [bots.orb] account is the name of several accounts of this login"),
    ],
)
def test_an_account_that_cannot_be_told_is_refused_with_the_list(where: Any, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        assign(setup(where=where))
    assert words in str(refused.value)
    assert "a-misplaced-secret" not in str(refused.value)


def test_without_any_account_the_bots_wait() -> None:
    assert assigned([setup()], [], None, is_paper=True)["orb"].account_id is None


@pytest.mark.parametrize(("mine", "theirs"), [("MNQ", "MNQ"), ("MNQ", "NQ ES"), ("6E", "M6E"), ("XYZ", "XYZ")])
def test_two_bots_in_one_product_family_of_one_account_are_refused(mine: str, theirs: str) -> None:
    one, two = setup("a", AccountId(2), mine), setup("b", AccountId(2), theirs)
    with pytest.raises(ConfigError, match=r"b and a \(desk\.toml \[bots\.a\]\) would both trade"):
        assign(one, two)
    assert assign(one, replace(two, account=AccountId(3))).keys() == {"a", "b"}


def test_bots_of_one_account_leave_each_others_symbols_alone() -> None:
    found = assign(setup("a", AccountId(2), "MNQ"), setup("b", AccountId(2), "MGC MCL"), setup("c", AccountId(3), "ES"))
    assert [bot.others_symbols for bot in found.values()] == [{"MGC", "MCL"}, {"MNQ"}, set()]


def test_a_persons_commands_mean_the_default_bots_account_else_the_first() -> None:
    one, default = setup("a", AccountId(2), "MNQ"), setup("default", AccountId(3), "ES")
    assert default_account(assign(one, default)) == 3
    assert default_account(assign(one)) == 2
    assert default_account({}) is None


def test_a_secret_that_nobody_gave_is_made_and_kept(tmp_path: Path) -> None:
    setups = [setup("default"), setup("orb-2"), replace(setup("c"), token=Secret("given"))]
    doors = doors_of(setups, tmp_path)
    assert [door.token for door in doors_of(setups, tmp_path)] == [door.token for door in doors]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot_orb-2.token", "webhook.token"]
    assert doors[2].token.reveal() == "given"


@pytest.mark.parametrize("written", ["kXw3/0aBcDeFgHiJkLmN+w==", "a secret with spaces", "what?is#this%20secret"])
def test_a_secret_in_a_file_that_fits_into_no_address_is_refused(tmp_path: Path, written: str) -> None:
    """Cause: `openssl rand -base64 16`, say, may hold a slash, and every alert to that address is a 404."""
    file = tmp_path / "bot_orb.token"
    file.write_text(written)
    with pytest.raises(StoreError) as caught:
        doors_of([setup()], tmp_path)
    assert str(file) in str(caught.value)
    assert written not in str(caught.value)


def test_a_secret_that_two_bots_keep_is_refused(tmp_path: Path) -> None:
    """A copied file: what was meant for the second would have been traded by the first."""
    doors_of([setup()], tmp_path)
    (tmp_path / "bot_gold.token").write_text((tmp_path / "bot_orb.token").read_text())
    with pytest.raises(ConfigError, match="orb and gold have the same secret"):
        doors_of([setup(), setup("gold", symbols="MGC")], tmp_path)


# --- differences -----------------------------------------------------------------------------------------------------


def between(before: BotConfig, now: BotConfig) -> tuple[Difference, ...]:
    door = (BotDoor("orb", Secret("x")),)
    return differences(({"orb": before}, door), ({"orb": now}, door), {AccountId(2): "FIFTY"})


TICKS = Distance(unit=Unit.TICKS, value=Decimal(80))
TERMS = DialectTerms(discord=DiscordTerms(uses_stop_entry=False))


@pytest.mark.parametrize(
    ("change", "text", "adds"),
    [
        ({"account_id": AccountId(2)}, "orb account: none -> 2 (FIFTY)", True),
        ({"symbols": frozenset({"MNQ", "ES"})}, "orb symbols: MNQ -> ES,MNQ", True),
        ({"symbols": frozenset()}, "orb symbols: MNQ -> none", False),
        ({"sides": frozenset({PositionSide.LONG})}, "orb sides: long,short -> long", False),
        ({"default_qty": 2}, "orb position_size: 1 -> 2", True),
        ({"max_position": 1}, "orb max_position_size: 2 -> 1", False),
        ({"sizing": Sizing("risk_usd", Decimal(100))}, "orb sizing: as_sent -> risk_usd 100", True),
        ({"windows": (Window(time(8, 30), time(15), frozenset({0, 1})),)},
         "orb windows: none -> mon,tue 08:30-15:00 America/Chicago", True),
        ({"entries_per_minute": 3}, "orb entries_per_minute: none -> 3", False),
        ({"cooldown_s": 60.0}, "orb cooldown_seconds: 0 -> 60", False),
        ({"price_bound_pct": Decimal("0.5")}, "orb price_bound_pct: none -> 0.5", False),
        ({"heartbeat_s": 90.0}, "orb heartbeat_minutes: none -> 1.5", False),
        ({"stop": TICKS}, "orb stop_loss_ticks: none -> 80", True),
        ({"target": TICKS}, "orb take_profit_ticks: none -> 80", False),
        ({"same": "add"}, "orb same: none -> add", True),
        ({"dialect": TERMS}, "orb use_stop_entry: true -> false", True),
    ],
)  # fmt: skip
def test_a_difference_is_told_by_its_key_and_whether_more_may_be_traded(
    change: dict[str, Any], text: str, adds: bool
) -> None:
    (found,) = between(BOT, replace(BOT, **change))
    assert (found.text, found.may_trade_more) == (text, adds)
    assert between(BOT, BOT) == ()


def test_a_limit_that_goes_away_may_trade_more() -> None:
    (found,) = between(replace(BOT, entries_per_minute=3), BOT)
    assert found.may_trade_more


def test_every_field_of_a_bot_can_differ() -> None:
    told = {"name", "takes_delayed_data", "others_symbols"}  # not a person's to write
    other = BotConfig(
        name="orb", account_id=AccountId(2), symbols=frozenset(), default_qty=9, max_position=9, max_alert_age_s=9,
        sizing=Sizing("fixed"), sides=frozenset(), windows=(Window(time(1), time(2)),), cooldown_s=9, debounce_s=9,
        bare_side="entry", opposite="ignore", same="add", mode="difference", on_gap="halt_bot", reorder_ms=9,
        price_bound_pct=Decimal(9), contract_policy="reject", entries_per_minute=9, heartbeat_s=9, stop=TICKS, target=TICKS,
        dialect=DialectTerms("desk", "usd", DiscordTerms(False, True, Decimal("0.1"), True)),
    )  # fmt: skip
    fields = set(BotConfig.__dataclass_fields__) - told
    assert all(getattr(other, name) != getattr(BOT, name) for name in fields)
    assert len(between(BOT, other)) == len(fields) - 1 + 6  # the dialect has six parts


# --- what is open ----------------------------------------------------------------------------------------------------


def test_an_account_that_is_not_reconciled_is_no_proof_of_being_flat() -> None:
    before = {"orb": replace(BOT, account_id=AccountId(2))}
    (problem,) = what_is_open(State(), before, {})
    assert "is not known at the moment" in problem
    assert what_is_open(State(), before, before) == []
    assert what_is_open(State(), {"orb": BOT}, {}) == []  # it never had an account
