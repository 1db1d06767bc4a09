"""An account, a contract, alerts and reads to decide on."""

from __future__ import annotations

import json
import os
from datetime import datetime
from decimal import Decimal

from desk.alerts import read_body
from desk.core.events import AlertReceived, SnapshotRead
from desk.core.ids import AccountId, ContractId, new_cause_id
from desk.core.words import Account, Contract

ACCOUNT = Account(
    account_id=AccountId(7001),
    name="50KTC-V2-1",
    balance=Decimal(50_000),
    can_trade=True,
    is_visible=True,
    simulated=True,
)
MNQ = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="Micro E-mini Nasdaq-100: December 2026",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)


def alert_event(number: int, now: datetime, action: str = "note") -> AlertReceived:
    """What the public door makes of a message; the same number is the same message."""
    body = {"v": 1, "id": f"id-{number}", "action": action, "symbol": "CME_MINI:MNQ1!"}
    if action.startswith("enter"):
        body |= {"qty": {"mode": "contracts", "value": 1}, "stop": {"unit": "points", "value": 20}}
    reading = read_body(json.dumps(body).encode(), [])
    return AlertReceived(
        cause=new_cause_id(now, os.urandom(10)),
        bot="default",
        alert=reading.alerts[0],
        problem=reading.problem,
        raw=reading.raw,
        body_sha256=reading.body_sha256,
        dedupe_key=f"key-{number}",
        dedupe_window_s=None,
        source="127.0.0.1",
        ts=now,
    )


def snapshot(now: datetime) -> SnapshotRead:
    """A full read of the account: nothing is there."""
    return SnapshotRead(
        account_id=ACCOUNT.account_id,
        asked_by=("reconcile",),
        is_full=True,
        account=None,
        positions=(),
        working=(),
        finished=(),
        fills=(),
        asked_at=now,
        ts=now,
    )
