"""Bodies as bytes: encodings, broken JSON, arrays, dialects, texts (TradingView reference 1, 6, 10.7, 13)."""

import json
import time

import pytest

from desk.alerts import read_body
from desk.core.alert import Action

ENTRY = '{"v":1,"action":"enter_long","symbol":"MNQ1!","fired_at":"2026-11-20T14:30:01Z"}'


def problem_of(body: str | bytes) -> str:
    reading = read_body(body if isinstance(body, bytes) else body.encode())
    assert reading.alerts == ()
    assert reading.problem is not None
    return reading.problem


@pytest.mark.parametrize(
    "body",
    [
        ENTRY,
        "\ufeff" + ENTRY,
        ENTRY + "\n",
        ENTRY + "\r\n\r\n",
        "\r\n \t" + ENTRY.replace(",", ",\r\n") + " ",
        "\u200b" + ENTRY + "\u00a0",
        "[" + ENTRY + "]",
    ],
)
def test_json_is_json_whatever_stands_around_it(body: str) -> None:
    reading = read_body(body.encode())
    assert [alert.action for alert in reading.alerts] == [Action.ENTER_LONG]
    assert reading.has_time


@pytest.mark.parametrize(
    ("body", "cause", "place"),
    [
        ('{"v":1,"comment":"he said "go" now"}', "a quote inside a text value that is not escaped", 27),
        ('{"v":1,"action":"buy",}', "trailing comma", 22),
        ('[{"v":1},]', "trailing comma", 9),
        ("{'v':1}", "a single quote", 2),
        ('{"v":1,"action":\'buy\'}', "a single quote", 17),
        ('{"v":1,“action”:"buy"}', "a typographic quote “ (U+201C, left double quotation mark)", 8),
        ('{"v":1,"action":”buy”}', "a typographic quote ”", 17),
        ('{"v":1, // version\n"action":"buy"}', "a comment", 9),
        ('{"v":1, # version\n"action":"buy"}', "a comment", 9),
        ('{"v":1,"qty": ,"x":1}', "a value is missing", 15),
        ('{"v":1,"qty":}', "a value is missing", 14),
        ('{"v":1,"price":{{close}}}', "a placeholder {{...}} that was not replaced", 17),
        ('{"v":1,"price":21034,25}', "a decimal comma", 21),
        ('{"v":1,action:"buy"}', "a name without double quotes", 8),
        ('{"v":1,"action":buy}', "buy without double quotes", 17),
        ('{"v":1,"dry_run":True}', "True without double quotes", 18),
        ('{"v":1,"comment":"two\nlines"}', "a line break inside a text value", 22),
        ('{"v":1,"a":"b" "c":1}', "a comma is missing", 16),
        ('{"v":1,"a":"c:\\d"}', "a backslash", 15),
        ('{"v":1,"a":"b', "never ends", 12),
        ('{"v":1,"a":1', "the text ends too early", 13),
        ('{"v":1}{"v":1}', "a second message is glued to the first", 8),
        ('{"v":1} thanks', "t (U+0074) after the end", 9),
    ],
)
def test_broken_json_is_explained_at_its_character(body: str, cause: str, place: int) -> None:
    problem = problem_of(body)
    assert cause in problem
    assert f"at character {place} " in problem
    assert problem_of("\ufeff" + body) == problem


def test_line_and_column_are_named() -> None:
    assert "(line 3, column 2)" in problem_of('{"v":1,\n"action":"buy",\n \'symbol\':1}')


def test_a_quote_in_a_comment_keeps_the_raw_text_and_makes_no_order() -> None:
    body = '{"v":1,"action":"buy","symbol":"MNQ1!","comment":"say "hi""}'
    reading = read_body(body.encode())
    assert (reading.alerts, reading.raw) == ((), body)


@pytest.mark.parametrize("body", ['{"v":1,"v":1}', '{"v":1,"qty":{"value":1,"value":2}}', '{"a":1,"\\u0061":2}'])
def test_equal_keys_are_refused(body: str) -> None:
    assert "stands twice" in problem_of(body)


@pytest.mark.parametrize("depth", [33, 500, 32_000])
def test_nesting_bombs_are_refused(depth: int) -> None:
    assert "nested deeper" in problem_of("[" * depth + "]" * depth)
    assert problem_of('{"a":' * (depth // 3) + "1" + "}" * (depth // 3))


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_nothing_is_said_to_be_nothing(body: bytes) -> None:
    assert "empty" in problem_of(body)


def test_other_encodings_are_named() -> None:
    assert "Byte 6 (0x96) is not UTF-8" in problem_of(b'{"v":\x96}')
    assert "UTF-16" in problem_of(ENTRY.encode("utf-16"))


def test_a_body_beyond_64_kib_is_not_read_and_kept_short() -> None:
    reading = read_body(b'{"v":1,"comment":"' + b"x" * 70_000 + b'"}')
    assert "at most 65536 are read" in (reading.problem or "")
    assert len(reading.raw.encode()) <= 65_536
    assert reading.raw.endswith("bytes in all)")


def test_an_array_is_read_in_order_and_as_a_whole() -> None:
    reading = read_body(f"[{ENTRY},{ENTRY.replace('enter_long', 'exit')}]".encode())
    assert [alert.action for alert in reading.alerts] == [Action.ENTER_LONG, Action.EXIT]
    assert problem_of(f'[{ENTRY},{{"v":1}}]').startswith("Message 2 of 2: action is missing")
    assert "list of 0 messages" in problem_of("[]")
    assert "list of 21 messages" in problem_of(f"[{','.join([ENTRY] * 21)}]")
    assert "only objects" in problem_of("[[]]")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"token": "t", "pair": "BTCUSDT", "isBuy": True}, "TV-Hub"),
        ("action=buy;symbol=MNQ1!", "name=value"),
        ("<!DOCTYPE html><p>hello</p>", "HTML"),
        ('Alert: {"action":"buy"}', "something before it"),
    ],
)
def test_foreign_dialects_are_named_and_not_traded(body: object, name: str) -> None:
    problem = problem_of(body if isinstance(body, str) else json.dumps(body))
    assert f"looks like a {name}" in problem or name in problem
    assert "not supported yet" in problem


def test_an_object_nobody_knows_points_to_the_template() -> None:
    assert "template" in problem_of('{"hello":"world"}')


def test_our_form_without_v_is_read_when_every_name_is_ours() -> None:
    reading = read_body(b'{"action":"buy","symbol":"MNQ1!","qty":{"value":1}}')
    assert reading.alerts[0].action is Action.BUY
    assert 'add "v":1' in reading.alerts[0].warnings[0]


@pytest.mark.parametrize("text", ["MNQ1! Crossing 21,000.00", "[MNQ1!] open long", "hello = world", "x" * 1000, "12"])
def test_plain_text_is_a_note(text: str) -> None:
    (alert,) = read_body(text.encode()).alerts
    assert (alert.action, alert.comment, alert.symbol, alert.is_text) == (Action.NOTE, text, None, True)
    assert not read_body(b'{"v":1,"action":"note"}').alerts[0].is_text


def test_the_default_strategy_text_is_recognised_and_not_traded() -> None:
    (alert,) = read_body(b"My (1, 2): order sell @ 2 filled on MNQ1!. New strategy position is -2").alerts
    assert (alert.action, alert.symbol) == (Action.NOTE, "MNQ1!")
    assert "default strategy text (sell 2 MNQ1!): no order was made" in alert.warnings[0]


@pytest.mark.parametrize(
    "piece",
    ['secret:"x;', "secret   ", "key=", "{" * 9, "time", '"', "a=b;", " ", "order buy @ ", "\\", "key \\\\\\", "key  "],
)
def test_no_body_makes_the_reader_slow(piece: str) -> None:
    started = time.process_time()
    read_body((piece * (65_000 // len(piece))).encode())
    assert time.process_time() - started < 2
