"""The way in: bytes of a webhook body -> :class:`Reading`. Never raises, whatever the bytes are.

Order: decode, parse by content, find the secret, redact, and only then build alerts: nothing that is returned, apart
from ``secret`` itself, can hold a secret. Either every alert of a body is readable or none is executed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection

import msgspec

from desk.alerts.canonical import alert_from
from desk.alerts.detect import default_strategy_text, dialect_of_object, dialect_of_text
from desk.alerts.dialects import OBJECT_DIALECTS, TEXT_DIALECTS, Translation
from desk.alerts.redact import Redactor, secret_of_object, secret_of_text
from desk.alerts.terms import NO_TERMS, DialectTerms
from desk.alerts.values import Refusal
from desk.alerts.wire import MAX_BODY_BYTES, Json, decode_body, parse_json
from desk.core.alert import Action, Alert
from desk.core.secret import Secret

__all__ = ["Reading", "dedupe_key", "read_body"]

MAX_ALERTS = 20
WINDOW_WITH_TIME_S = 120
WINDOW_WITHOUT_TIME_S = 10
_BLANK = " \t\r\n\f\v\ufeff\u200b\u00a0"
_HELP = 'Make the message from the template of the bot ("v":1).'
_LOOKS_LIKE_JSON = re.compile(r"\{|\[\s*[{\[\]\"]")  # "[MNQ1!] crossing" is text
_TIME = re.compile(
    r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d"  # ISO 8601, as {{timenow}} gives it
    r"|(?:time|date|_at)\w{0,20}[\"']?\s{0,8}[:=]\s{0,8}[\"']?1[5-9]\d{8}",  # epoch, under a name that says so
    re.IGNORECASE,
)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One body, read. ``problem`` set: ``alerts`` is empty and nothing may be executed."""

    alerts: tuple[Alert, ...]
    problem: str | None  # for a person: what is wrong, where, and what to do
    raw: str  # what is kept: secrets replaced, at most 64 KiB
    body_sha256: str  # of the original bytes, in hex
    secret: Secret | None  # that the body carried
    has_time: bool


TermsOf = Callable[[Secret | None], DialectTerms]
"""The terms of the bot that a body's secret belongs to; None: the body carries none."""


def read_body(
    body: bytes, secret_values: Collection[Secret] = (), terms_of: TermsOf = lambda secret: NO_TERMS
) -> Reading:
    """Read one body (TradingView reference 1, 6, 10, 11). ``secret_values``: what must not survive in anything returned.

    A header is never asked: JSON is what starts with a bracket, everything else is text. Never raises.
    """
    text, damage = decode_body(body)
    text = text.strip(_BLANK)
    redactor = Redactor(secret_values)
    tree: Json = None
    problem = damage or _size_problem(body, text)
    is_json = problem is None and _LOOKS_LIKE_JSON.match(text) is not None
    if is_json:
        try:
            tree = parse_json(text)
        except Refusal as refusal:
            problem, is_json = str(refusal), False
    secret, conflict = _secret(tree) if is_json else (secret_of_text(text), None)
    if secret is not None:
        redactor.add(secret)
    if is_json:
        raw, tree = redactor.json(text, tree)
    else:
        raw = redactor.text(text.replace("\x00", ""))
    alerts: tuple[Alert, ...] = ()
    problem = problem or conflict
    if problem is None:
        try:
            terms = terms_of(None if secret is None else Secret(secret))
            alerts = _alerts(tree, terms) if is_json else _alerts_of_text(raw, terms)
        except Refusal as refusal:
            problem = str(refusal)
    return Reading(
        alerts=alerts,
        problem=None if problem is None else redactor.text(problem),
        raw=_cut(raw, len(body)),
        body_sha256=hashlib.sha256(body).hexdigest(),
        secret=None if secret is None else Secret(secret),
        has_time=any(alert.fired_at or alert.bar_time for alert in alerts) or _TIME.search(text) is not None,
    )


def dedupe_key(reading: Reading, index: int) -> tuple[str, int | None]:
    """Key of one alert of a body, and for how long in seconds; None: longest, the sender's own (TradingView reference 7).

    The caller adds the bot or route, for two bots may send equal texts, and treats the same ``id:`` key with another
    ``body_sha256`` as a conflict. index: position in ``alerts``; 0 for a body that could not be read.
    """
    sender_id = reading.alerts[index].sender_id if index < len(reading.alerts) else None
    if sender_id is not None:
        return f"id:{sender_id}", None
    window_s = WINDOW_WITH_TIME_S if reading.has_time else WINDOW_WITHOUT_TIME_S
    return f"sha:{reading.body_sha256}:{index}", window_s


def _size_problem(body: bytes, text: str) -> str | None:
    if len(body) > MAX_BODY_BYTES:
        return f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are read."
    return None if text else f"The body is empty. {_HELP}"


def _objects(tree: Json) -> list[Json]:
    return tree if isinstance(tree, list) else [tree]


def _secret(tree: Json) -> tuple[str | None, str | None]:
    """The one secret of the body. Two different ones would let the first one open the door for the second."""
    found = {
        secret for item in _objects(tree) if isinstance(item, dict) and (secret := secret_of_object(item)) is not None
    }
    if len(found) > 1:
        return None, "The messages of this body carry different secrets. Send them one by one."
    return next(iter(found), None), None


def _alerts(tree: Json, terms: DialectTerms) -> tuple[Alert, ...]:
    items = _objects(tree)
    if not 1 <= len(items) <= MAX_ALERTS:
        raise Refusal(f"The body is a list of {len(items)} messages; 1 to {MAX_ALERTS} are allowed.")
    if len(items) == 1:
        return _alerts_of(items[0], terms)
    alerts: list[Alert] = []
    for number, item in enumerate(items, start=1):
        try:
            alerts += _alerts_of(item, terms)
        except Refusal as refusal:
            raise Refusal(f"Message {number} of {len(items)}: {refusal} None of them was executed.") from refusal
    return tuple(alerts)


def _alerts_of(item: Json, terms: DialectTerms) -> tuple[Alert, ...]:
    if not isinstance(item, dict):
        raise Refusal(f"A list may hold only objects, one per alert. {_HELP}")
    dialect = dialect_of_object(item)
    _check_pin(dialect, terms)
    if dialect in {"ours", "ours without v"}:
        return (alert_from(item),)
    if dialect is None:
        raise Refusal(f'No known form of alert: it has neither "v" nor the fields of another bridge. {_HELP}')
    translate = OBJECT_DIALECTS.get(dialect)
    if translate is None:
        raise Refusal(f"This looks like a {dialect} alert, not supported yet. {_HELP}")
    return _translated(dialect, translate(item, terms))


def _alerts_of_text(text: str, terms: DialectTerms) -> tuple[Alert, ...]:
    """Text is a note, unless it is another bridge's. TradingView's default messages are recognised, never traded
    (TradingView reference 6, 10.6)."""
    if strategy := default_strategy_text(text):
        side, size, symbol = strategy
        warning = (
            f"This is TradingView's default strategy text ({side} {size} {symbol}): no order was made. "
            "Replace the alert's message by the template of the bot."
        )
        return (Alert(action=Action.NOTE, symbol=symbol, comment=text, is_text=True, warnings=(warning,)),)
    dialect = dialect_of_text(text)
    if dialect is None:
        return (Alert(action=Action.NOTE, comment=text, is_text=True),)
    _check_pin(dialect, terms)
    translate = TEXT_DIALECTS.get(dialect)
    if translate is None:
        raise Refusal(f"This looks like a {dialect} alert, not supported yet. {_HELP}")
    return _translated(dialect, translate(text, terms))


def _check_pin(dialect: str | None, terms: DialectTerms) -> None:
    """A bot that pinned its dialect takes no other one. "desk" is our own."""
    found = "desk" if dialect in {"ours", "ours without v"} else dialect
    if terms.pinned is not None and found != terms.pinned:
        raise Refusal(
            f"This looks like a {found or 'message of no known form'}, and the bot reads {terms.pinned} only."
        )


def _translated(dialect: str, translation: Translation) -> tuple[Alert, ...]:
    alerts = [alert_from({"v": "1", **message}) for message in translation.messages]
    return tuple(
        msgspec.structs.replace(alert, dialect=dialect, warnings=(*translation.warnings, *alert.warnings))
        for alert in alerts
    )


def _cut(raw: str, size: int) -> str:
    """At most 64 KiB of UTF-8, with the size of the whole."""
    encoded = raw.encode("utf-8", "replace")
    if len(encoded) <= MAX_BODY_BYTES:
        return raw
    tail = f"... (cut, {size} bytes in all)"
    return encoded[: MAX_BODY_BYTES - len(tail)].decode("utf-8", "ignore") + tail
