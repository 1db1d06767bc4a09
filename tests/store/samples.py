"""Records to put into a journal, and the type of a child process."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from desk.core.alert import Action, Alert
from desk.core.events import AlertReceived
from desk.core.ids import CauseId
from desk.core.records import AlertJournalled, IncidentRaised, Record, Verdict, VerdictKind

Child = subprocess.Popen[str]
T0 = datetime(2026, 1, 5, 14, 32, tzinfo=UTC)


def incident(cause: str, text: str = "look here", after_s: float = 0) -> Record:
    return IncidentRaised(cause=CauseId(cause), kind="test", text=text, ts=T0 + timedelta(seconds=after_s))


def alerted(alert_id: str, verdict: Verdict, *, after_s: float = 0, alert: Alert | None = None) -> AlertJournalled:
    ts = T0 + timedelta(seconds=after_s)
    event = AlertReceived(
        cause=CauseId(alert_id),
        bot="default",
        alert=alert,
        problem=None if alert else "not JSON",
        raw='{"secret": "***"}',
        body_sha256="ab" * 32,
        dedupe_key="k",
        dedupe_window_s=60,
        source="127.0.0.1",
        ts=ts,
    )
    return AlertJournalled(cause=CauseId(alert_id), alert=event, verdict=verdict, ts=ts)


BUY = Alert(action=Action.BUY, symbol="CME_MINI:MNQ1!")
HELD = Verdict(kind=VerdictKind.HELD, reason="not_reconciled", text="waiting")
ACCEPTED = Verdict(kind=VerdictKind.ACCEPTED)
