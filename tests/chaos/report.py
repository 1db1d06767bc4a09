"""The figures for a reader, and the story of the first offender."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.chaos.proof import GUARD_S, ORPHAN_S, UNSEEN_S, WAKING_S, Offence, Proof

__all__ = ["story", "table"]

LAWS = ("lost", "doubled", "orphan", "naked")
AROUND_S = 4.0
MOST_LINES = 80
LONG_S = 2.0


def table(proof: Proof) -> str:
    """Every figure beside what it may be."""
    stops = proof.without_stop_s
    rows: list[tuple[str, str, str]] = [
        ("alerts sent", f"{proof.sent}", f"{proof.repeats} of them repeats, {proof.tries} tries"),
        ("alerts answered", f"{proof.answered}", ""),
        ("alerts decided", f"{proof.decided}", _counts(proof.verdicts)),
        ("  reasons", "", _counts(proof.reasons)),
        ("  forms", f"{len(proof.dialects)}", _counts(proof.dialects)),
        (
            "  held at first",
            f"{len(proof.held_s)}",
            f"longest {max(proof.held_s, default=0.0):.1f} s, until the account was reconciled",
        ),
        ("alerts or orders LOST", f"{proof.count('lost')}", "must be 0"),
        ("entries expected", f"{proof.expected}", "promised by a verdict"),
        ("entries found", f"{proof.found}", f"at the gateway; {proof.fills} fills opened or grew a position"),
        ("  refused by the gateway", f"{proof.refused}", ""),
        ("  withdrawn with a reason", f"{proof.never_sent.total()}", _counts(proof.never_sent)),
        ("  tags placed again", f"{proof.resent_tags}", "under the same tag, which the gateway takes once"),
        ("entries DOUBLED", f"{proof.count('doubled')}", "must be 0: one alert twice, a repeat, or asked by nobody"),
        (
            "ORPHAN orders",
            f"{proof.count('orphan')}",
            f"must be 0: working at a flat place over {ORPHAN_S:g} s, or opening",
        ),
        ("  within the grace", f"{proof.orphans_in_grace}", "or while an exit was under way, or no daemon was there"),
        ("exits", f"{proof.exits}", f"slowest {proof.slowest_exit_s:.1f} s, time without a daemon not counted"),
        (
            "NAKED seconds",
            f"{stops['naked']:.3f}",
            f"must be 0: no working stop, {WAKING_S * 1000:g} ms after a fill on",
        ),
        ("  waking", *_seconds(proof, "waking", f"until {WAKING_S * 1000:g} ms after a fill")),
        ("  in exit plans", *_seconds(proof, "exit plan", f"of {proof.exit_s:.1f} s of exit plans")),
        (
            "  under the guard",
            *_seconds(
                proof,
                "guard",
                f"{proof.turned_down} stops were turned down by the gateway, {proof.placed_again} placed again; "
                f"at most {GUARD_S:g} s each, "
                f"{GUARD_S + UNSEEN_S:g} s where the report was lost, and what nobody could see",
            ),
        ),
        (
            "  after a kill in an exit",
            *_seconds(proof, "exit plan, no daemon", "until the next daemon is ready and resumes it"),
        ),
        (
            "  after a kill, guard",
            *_seconds(proof, "guard, no daemon", "a stop was turned down, and the daemon was killed"),
        ),
        ("  after a kill, waking", *_seconds(proof, "waking, no daemon", "")),
        (
            "seconds without a daemon",
            f"{proof.down_s:.1f}",
            "from a kill or stop to ready, over all daemons; no excuse by itself",
        ),
    ]
    return "\n".join(f"  {name:<26}{value:>12}  {remark}".rstrip() for name, value, remark in rows)


def _seconds(proof: Proof, name: str, remark: str) -> tuple[str, str]:
    pieces = sorted(proof.pieces_s[name])
    if pieces:
        half, most = pieces[len(pieces) // 2], pieces[int(len(pieces) * 0.99)]
        long = sum(piece > LONG_S for piece in pieces)
        remark += f"; {len(pieces)} stretches, p50 {half:.3f}, p99 {most:.3f}, longest {pieces[-1]:.3f} s"
        remark += f", {long} over {LONG_S:g} s"
    return f"{proof.without_stop_s[name]:.3f}", remark


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def story(offence: Offence, records: list[tuple[int, Any]], lines: Iterable[dict[str, Any]]) -> str:
    """What journal and gateway say around it, side by side by time."""
    told: list[tuple[float, str]] = []
    for seq, record in records:
        at = record.ts.timestamp()
        text = msgspec.json.encode(record).decode()
        is_of_it = (offence.cause and record.cause == offence.cause) or (offence.tag and offence.tag in text)
        is_near = abs(at - offence.at) < AROUND_S and (offence.contract_id is None or offence.contract_id in text)
        if is_of_it or is_near:
            told.append((at, f"journal {seq:>6} {text[:600]}"))
    for row in lines:
        text = json.dumps(row)
        is_near = abs(row["at"] - offence.at) < AROUND_S
        if row["kind"] == "control" or not (is_near or (offence.tag and offence.tag in text)):
            continue
        is_here = offence.contract_id is None or offence.contract_id in text or row["kind"] in {"fault", "hub"}
        if is_here and (str(offence.account_id) in text or row["kind"] in {"fault", "hub"}):
            told.append((row["at"], f"gateway        {text[:600]}"))
    head = f"{offence.law}: {offence.text}\n  account {offence.account_id} {offence.contract_id or ''} at {_clock(offence.at)}"
    told.sort(key=lambda one: one[0])
    near = sorted(sorted(told, key=lambda one: abs(one[0] - offence.at))[:MOST_LINES], key=lambda one: one[0])
    return "\n".join([head, *(f"  {_clock(at)} {text}" for at, text in near)])


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
