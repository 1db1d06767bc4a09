"""Records to rows and back. The body is the record's JSON, verbatim; the other columns exist to be searched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import msgspec

from desk.core.alert import Alert
from desk.core.errors import DeskError, StoreError
from desk.core.records import AlertDecided, AlertJournalled, Record, Verdict

__all__ = [
    "AlertValues",
    "DamagedRow",
    "RecordValues",
    "VerdictValues",
    "alert_values",
    "parse_alert",
    "parse_record",
    "parse_ts",
    "record_values",
    "ts_text",
    "verdict_values",
]

RecordValues = tuple[str, str, str, int | None, str]
"""Columns of ``journal`` in the table's order, without seq."""
AlertValues = tuple[str, str, str, str, str, str, str, str | None, str, str, str, str | None]
"""Columns of ``alerts`` in the table's order."""
VerdictValues = tuple[str, str, str, str | None, str]
"""verdict, reason, text, of; then the alert_id they belong to."""

_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Record))
# Where a record about one account keeps the account's id, when not in a field of its own.
_PARTS = ("order", "fill", "position", "account", "plan")

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_decode_alert = msgspec.json.Decoder(Alert)


def ts_text(ts: datetime) -> str:
    """Aware time as UTC text of fixed width, so that texts sort as times do: ``2026-01-31T14:32:00.000000Z``."""
    return ts.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_ts(text: str) -> datetime:
    return datetime.fromisoformat(text)


def record_values(record: Record) -> RecordValues:
    """Raises StoreError naming the record's type when it cannot be written as JSON; never shows the record itself."""
    name = type(record).__name__
    try:
        return ts_text(record.ts), name, record.cause, _account_of(record), _encode(record).decode()
    except (TypeError, ValueError, OverflowError) as exc:
        # Without the chain: a Unicode error carries the text that it failed on.
        raise StoreError(f"a {name} cannot be written as JSON: {type(exc).__name__}") from None


def alert_values(record: AlertJournalled) -> AlertValues:
    event, verdict = record.alert, record.verdict
    canonical = None if event.alert is None else _encode(event.alert).decode()
    return (
        record.cause,
        ts_text(event.ts),
        event.bot,
        event.source,
        event.body_sha256,
        event.dedupe_key,
        event.raw,
        canonical,
        *_verdict(verdict),
    )


def verdict_values(record: AlertDecided) -> VerdictValues:
    return *_verdict(record.verdict), record.cause


class DamagedRow(DeskError):
    """What stands in a row is not what was written there."""


def parse_record(seq: int, kind: str, body: str) -> Record:
    """Raises StoreError for a record type of a newer version, DamagedRow for a body that is damaged."""
    try:
        return _decode.decode(body)
    except (msgspec.DecodeError, ValueError) as exc:
        if kind not in _KNOWN:
            raise StoreError(
                f"record {seq} of the journal is a {kind}, which this version does not know: "
                "a newer version wrote it, start that one"
            ) from None
        raise DamagedRow(f"record {seq}, {kind}, cannot be read: {exc}") from exc


def parse_alert(alert_id: str, body: str) -> Alert:
    try:
        return _decode_alert.decode(body)
    except (msgspec.DecodeError, ValueError) as exc:
        raise DamagedRow(f"alert {alert_id} cannot be read: {exc}") from exc


def _verdict(verdict: Verdict) -> tuple[str, str, str, str | None]:
    return verdict.kind.value, verdict.reason, verdict.text, verdict.of


def _account_of(record: Record) -> int | None:
    for part in (record, *(getattr(record, name, None) for name in _PARTS)):
        account_id = getattr(part, "account_id", None)
        if isinstance(account_id, int):
            return account_id
    return None
