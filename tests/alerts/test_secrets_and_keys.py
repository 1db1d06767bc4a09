"""No secret survives; duplicates are told by the right key; nothing raises (TradingView reference 4, 7)."""

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alerts import Reading, dedupe_key, example_alert, read_body, strategy_template
from desk.core.alert import Action
from desk.core.secret import Secret

VALUE = "t0p-S3cret/value"
ENTRY: dict[str, Any] = {"v": 1, "action": "enter_long", "symbol": "MNQ1!", "fired_at": "2026-11-20T14:30:01Z"}


def everything(reading: Reading) -> str:
    """All that may be kept, in one text."""
    return repr(reading) + reading.raw + (reading.problem or "")


@pytest.mark.parametrize("known", [(), (Secret(VALUE),)])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**ENTRY, "secret": VALUE}),
        json.dumps({**ENTRY, "Token": VALUE, "comment": f"again {VALUE}"}),
        json.dumps({**ENTRY, "extras": {"api_key": VALUE}}),
        json.dumps({**ENTRY, "extras": {"deep": [{"passphrase": [VALUE]}]}}),
        json.dumps({**ENTRY, "secret": VALUE}).replace("/", "\\/"),
        json.dumps({**ENTRY, "secret": VALUE}).replace("secret", "s\\u0065cret"),
        json.dumps({**ENTRY, "comment": json.dumps({"secret": VALUE})}),
        json.dumps({**ENTRY, "comment": f"key={VALUE}"}),
        json.dumps({**ENTRY, "secret": VALUE, "qty": 0}),
        json.dumps([{**ENTRY, "key": VALUE}, {**ENTRY, "password": VALUE}]),
        json.dumps({"bot_uuid": "x", "secret": VALUE}),
        '{"v":1,"secret":"VALUE","comment":"a "b" c"}'.replace("VALUE", VALUE),
        "{'secret':'VALUE','v':1}".replace("VALUE", VALUE),
        "{“secret”:“VALUE”,“v”:1}".replace("VALUE", VALUE),
        '{"v":1,\n"secret" : "VALUE"\n"action":"buy"}'.replace("VALUE", VALUE),
        '{"secret":"VALUE'.replace("VALUE", VALUE),
        f"key={VALUE};command=PLACE;",
        f"SIGNAL=BUY\r\nTOKEN = {VALUE}\r\n",
        f"secret: {VALUE}",
    ],
)
def test_a_named_secret_never_survives(body: str, known: tuple[Secret, ...]) -> None:
    reading = read_body(body.encode(), known)
    assert VALUE not in everything(reading).replace("\\/", "/")
    assert "***" in reading.raw
    assert reading.body_sha256 == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    "body", [f"hello {VALUE}", json.dumps({**ENTRY, "bot": VALUE}), json.dumps({VALUE: 1}), f"{{{VALUE}"]
)
def test_a_known_secret_is_replaced_wherever_it_is(body: str) -> None:
    assert VALUE not in everything(read_body(body.encode(), [Secret(VALUE)]))
    assert VALUE not in everything(read_body(body.encode("utf-16-le"), [Secret(VALUE)]))


@pytest.mark.parametrize(
    ("body", "secret"),
    [
        (json.dumps({**ENTRY, "secret": VALUE, "token": "other"}), VALUE),
        (json.dumps([ENTRY, {**ENTRY, "secret": VALUE}]), VALUE),
        (json.dumps({"symbol": "MNQ1!", "data": "buy", "token": VALUE}), VALUE),
        (f"key={VALUE};command=PLACE;", VALUE),
        ('{"secret":"VALUE","comment":"a "b""}'.replace("VALUE", VALUE), VALUE),
        (json.dumps({**ENTRY, "secret": 12345678}), "12345678"),
        (json.dumps(ENTRY), None),
        (json.dumps({**ENTRY, "secret": {"a": 1}}), None),
        ("MNQ1! Crossing", None),
    ],
)
def test_the_secret_of_the_body_is_handed_over(body: str, secret: str | None) -> None:
    assert read_body(body.encode()).secret == (None if secret is None else Secret(secret))


def test_two_secrets_in_one_body_are_refused() -> None:
    reading = read_body(json.dumps([{**ENTRY, "secret": "aaaaaaaa"}, {**ENTRY, "secret": "bbbbbbbb"}]).encode())
    assert reading.secret is None
    assert "different secrets" in (reading.problem or "")


def test_an_id_that_had_to_be_masked_stays_unique() -> None:
    ids = [read_body(json.dumps({**ENTRY, "id": f"key={n}"}).encode()).alerts[0].sender_id for n in (1, 2)]
    assert ids[0] != ids[1]
    assert all(text is not None and text.startswith("sha256:") for text in ids)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=8, max_size=30),
    st.booleans(),
    st.text(max_size=5),
)
def test_any_secret_is_masked_in_any_json(secret: str, ascii_only: bool, comment: str) -> None:
    body = json.dumps({**ENTRY, "comment": comment, "secret": secret, "tags": [comment]}, ensure_ascii=ascii_only)
    reading = read_body(body.encode())
    if secret not in json.dumps({**ENTRY, "comment": comment, "secret": "***"}):
        assert secret not in reading.raw
    assert reading.secret == Secret(secret)


def test_the_senders_id_is_the_best_key_and_counts_for_good() -> None:
    reading = read_body(json.dumps([{**ENTRY, "id": "a"}, ENTRY]).encode())
    assert dedupe_key(reading, 0) == ("id:a", None)
    assert dedupe_key(reading, 1) == (f"sha:{reading.body_sha256}:1", 120)


@pytest.mark.parametrize(
    ("body", "window_s"),
    [
        (json.dumps(ENTRY), 120),
        (json.dumps({**ENTRY, "fired_at": None}), 10),
        (json.dumps({**ENTRY, "fired_at": None, "bar_time": "2026-11-20T14:30:00Z"}), 120),
        (json.dumps({**ENTRY, "fired_at": None, "time": 1795185001}), 120),
        (json.dumps({**ENTRY, "fired_at": None, "chat": 1795185001}), 10),
        ("MNQ1! Crossing 21000", 10),
        ("crossed at 2026-11-20T14:30:00Z", 120),
        ("{broken", 10),
        ("", 10),
    ],
)
def test_a_body_without_id_counts_longer_when_it_has_a_time(body: str, window_s: int) -> None:
    reading = read_body(body.encode())
    assert dedupe_key(reading, 0) == (f"sha:{hashlib.sha256(body.encode()).hexdigest()}:0", window_s)


def test_white_space_makes_another_key_because_a_resend_is_byte_identical() -> None:
    body = json.dumps(ENTRY).encode()
    assert dedupe_key(read_body(body), 0) != dedupe_key(read_body(body + b"\n"), 0)


def test_the_readme_alert_reads_as_meant() -> None:
    now = datetime(2026, 11, 20, 14, 30, 1, 250_000, tzinfo=UTC)
    text = example_alert("CME_MINI:MNQ1!", 2, Decimal(20), Decimal(40), now)
    (alert,) = read_body(text.encode()).alerts
    assert alert.warnings == ()
    assert (alert.action, alert.symbol, alert.qty.value) == (Action.ENTER_LONG, "CME_MINI:MNQ1!", 2)
    assert alert.stop is not None
    assert (alert.stop.distance.value, alert.targets[0].distance.value) == (20, 40)
    assert alert.fired_at == now.replace(microsecond=0)
    assert alert.sender_id == "example-20261120T143001250000Z"
    assert "'" not in text
    assert "\n" not in text


def test_the_strategy_template_reads_once_tradingview_has_filled_it() -> None:
    filled = strategy_template('o"rb', Secret(VALUE))
    for name, value in {
        "timenow": "2026-11-20T14:30:01Z", "time": "2026-11-20T14:30:00Z", "interval": "5", "exchange": "CME_MINI",
        "ticker": "MNQ1!", "strategy.order.price": "21034.25", "strategy.order.action": "buy",
        "strategy.market_position": "long", "strategy.market_position_size": "2",
        "strategy.prev_market_position": "flat",
        "strategy.prev_market_position_size": "0", "strategy.order.contracts": "2", "strategy.order.id": "Long",
    }.items():  # fmt: skip
        filled = filled.replace("{{" + name + "}}", value)
    reading = read_body(filled.encode())
    assert reading.problem is None
    assert (reading.alerts[0].bot, reading.alerts[0].warnings, reading.secret) == ('o"rb', (), Secret(VALUE))
    assert not re.search(r"\{\{|'", filled)
    assert "secret" not in strategy_template("orb", None)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_raising(body: bytes) -> None:
    reading = read_body(body, [Secret("abc")])
    assert (reading.problem is None) == bool(reading.alerts)
    everything(reading).encode()
    dedupe_key(reading, 0)


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from(["NaN", "", "1e999", "{{x}}", "0", "2"]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from([a.value for a in Action]))
INNER_KEYS = ["unit", "value", "mode", "type", "now", "size", "ref", "secret", "x"]
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["unit", "value", "mode", "type", "now", "size", "ref", "secret", "x"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)
KEYS = ["v", "id", "bot", "fired_at", "symbol", "price", "action", "position", "qty", "order", "stop", "targets"]
MORE_KEYS = ["breakeven", "trail", "policy", "accounts", "comment", "tags", "dry_run", "extras", "token", "é"]


@given(st.dictionaries(st.sampled_from(KEYS + MORE_KEYS), VALUES, max_size=10))
def test_any_json_is_read_without_raising(fields: dict[str, Any]) -> None:
    for body in (fields, {**ENTRY, **fields}, [fields, ENTRY]):
        reading = read_body(json.dumps(body).encode())
        assert (reading.problem is None) == bool(reading.alerts)
        for alert in reading.alerts:
            assert alert.qty.mode != "contracts" or (alert.qty.value is not None and alert.qty.value >= 1)
            assert alert.stop is None or alert.stop.distance.value > 0
        everything(reading).encode()
