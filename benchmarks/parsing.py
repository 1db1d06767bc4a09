"""What reading one body costs, per dialect: bytes to alerts, secrets replaced, beside a bare parse of the same bytes."""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from benchmarks.desk import entry
from benchmarks.figures import Counts, Figure, Group, at_most, median
from benchmarks.processes import ROOT
from desk.alerts import DialectTerms, read_body
from desk.alerts.dialects import OBJECT_DIALECTS, TEXT_DIALECTS
from desk.core.secret import Secret

__all__ = ["measure", "samples"]

OWN = "desk"  # the name of our own form in Alert.dialect
GOAL_MS = 1.0
GOLDEN = ROOT / "tests" / "alerts" / "golden" / "dialects"
TERMS = DialectTerms(pickmytrade_dollar="points")
TOKENS = [Secret("a-token-of-some-bot-22")]
HOW = (
    "The bytes of one body are read into alerts, as the public door does it: decoded, parsed, searched for secrets, translated "
    "and checked. In this process, alone; the mean over all samples of a dialect in a round of many repeats, the median of all "
    "rounds. The samples are the golden files of the tests. The floor parses the same bytes and understands nothing: "
    "`json.loads`, or a split at `;` and `=` for text."
)
# Where the golden files have nothing for a dialect: its smallest entry (TradingView reference 10).
_OWN_SAMPLES = {
    "TradersPost": b'{"ticker":"MNQZ2026","action":"buy","quantity":1,"stopLoss":{"type":"stop","amount":20}}',
    "PickMyTrade": b'{"symbol":"MNQ1!","strategy_name":"orb","date":"2026-11-20T14:30:01Z","data":"buy","quantity":1,'
    b'"price":21034.25,"sl":21014.25,"token":"another-token-22-chars"}',
    "3Commas": b'{"secret":"another-token-22-chars","max_lag":"300","timestamp":"2026-11-20T14:30:01Z",'
    b'"trigger_price":"21034.25","tv_exchange":"CME_MINI","tv_instrument":"MNQ1!","action":"exit_long","bot_uuid":"x"}',
    "CrossTrade": b"key=another-token-22-chars;command=CLOSEPOSITION;account=sim;instrument=MNQ 12-26;",
    "OctoBot": b"EXCHANGE=cme;SYMBOL=MNQ1!;SIGNAL=CANCEL;TOKEN=another-token-22-chars",
}


def measure(counts: Counts) -> Group:
    """Own form first, then every dialect that is there, in the order of the tables."""
    found = samples()
    figures, without = list[Figure](), list[str]()
    for dialect in (OWN, *OBJECT_DIALECTS, *TEXT_DIALECTS):
        bodies = found.get(dialect, ())
        if bodies:
            figures.append(_figure(dialect, bodies, counts))
        else:
            without.append(dialect)
    notes = (f"No sample that is carried out: {', '.join(without)}.",) if without else ()
    return Group(key="parse", title="Reading a body", how=HOW, figures=tuple(figures), notes=notes)


def samples() -> dict[str, list[bytes]]:
    """Bodies by dialect, only those that are read without a problem; a refusal is cheaper."""
    candidates = [entry("CME_MINI:MNQ1!", "sample")]
    if GOLDEN.is_dir():
        paths = sorted(path for path in GOLDEN.iterdir() if path.suffix in {".json", ".txt"})
        candidates += [path.read_bytes() for path in paths if not path.name.endswith(".expected.json")]
    found = _by_dialect(candidates)
    for dialect, bodies in _by_dialect(_OWN_SAMPLES.values()).items():
        found.setdefault(dialect, bodies)
    return found


def _by_dialect(bodies: Iterable[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for body in bodies:
        alerts = read_body(body, TOKENS, lambda _: TERMS).alerts
        if alerts and not alerts[0].is_text:
            found.setdefault(alerts[0].dialect, []).append(body)
    return found


def _figure(dialect: str, bodies: Sequence[bytes], counts: Counts) -> Figure:
    """Rounds of reading and of the floor alternate, so that both see the same machine."""
    read, bare = list[float](), list[float]()
    for number in range(-counts.warm_ups, counts.parse_rounds):
        took = _ms_each(lambda body: read_body(body, TOKENS, lambda _: TERMS), bodies, counts.parse_repeats)
        least = _ms_each(_bare, bodies, counts.parse_repeats)
        if number >= 0:
            read.append(took)
            bare.append(least)
    figure = at_most(
        f"read one {'body of our own form' if dialect == OWN else f'{dialect} body'}",
        median(read),
        "ms",
        floor=median(bare),
        floor_name="the same bytes, parsed only",
        spread=(min(read), max(read)),
        samples=len(bodies),
    )
    return msgspec.structs.replace(figure, goal=f"< {GOAL_MS:g} ms", is_met=figure.value < GOAL_MS)


def _ms_each(read: Callable[[bytes], object], bodies: Sequence[bytes], repeats: int) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(repeats):
            for body in bodies:
                read(body)
        return (time.perf_counter() - began) * 1000 / (repeats * len(bodies))
    finally:
        gc.enable()


def _bare(body: bytes) -> object:
    text = body.decode()
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text)
    return dict(part.partition("=")[::2] for part in re.split(r"[;\n]", text))
