"""``python -m benchmarks``: measures, prints a table, and writes results and docs/performance.md after a full run."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import (
    alerts,
    door,
    exits,
    history,
    hub,
    limiter,
    machine,
    memory,
    notes,
    parsing,
    requests,
    restarts,
    start,
    truth,
)
from benchmarks.document import render
from benchmarks.figures import Counts, Group, Report
from benchmarks.processes import ROOT
from benchmarks.table import as_text

RESULTS = ROOT / "benchmarks" / "results.json"
DOCUMENT = ROOT / "docs" / "performance.md"
FULL = Counts(name="full", start_runs=9, alert_rounds=4, alerts_per_round=48, pause_s=0.1, notes_rounds=5, notes_s=3.0)
QUICK = Counts(
    name="quick",
    start_runs=3,
    alert_rounds=1,
    alerts_per_round=24,
    pause_s=0.03,
    notes_rounds=1,
    notes_s=1.0,
    hub_rounds=2,
    reconnects=20,
    storms=1,
    flattened=(1, 5),
    memory_s=5.0,
    restarts=2,
    exits=5,
    parse_rounds=3,
    history_rounds=2,
)
TINY = Counts(
    name="tiny",
    start_runs=1,
    alert_rounds=1,
    alerts_per_round=4,
    pause_s=0.0,
    notes_rounds=1,
    notes_s=0.2,
    warm_ups=0,
    hub_rounds=1,
    hub_events=1000,
    reconnects=2,
    storms=1,
    flattened=(1,),
    quiet_s=0.3,
    memory_s=0.5,
    symbols=3,
    restarts=1,
    held=(1,),
    exits=1,
    exit_patience_s=0.3,
    parse_rounds=1,
    parse_repeats=3,
    slow_clients=20,
    history_days=2,
    history_rounds=1,
    history_asks=2,
    memory_bars=500,
    live_trades=50,
)
LONG_S = 600.0


def main() -> int:
    options = _parser().parse_args()
    counts = TINY if options.tiny else QUICK if options.quick else FULL
    if options.long:
        counts = msgspec.structs.replace(counts, memory_s=LONG_S)
    groups = {
        "start": lambda folder: start.measure(counts, folder),
        "alert": lambda folder: asyncio.run(alerts.measure(counts, folder, options.profile)),
        "notes": lambda folder: asyncio.run(notes.measure(counts, folder, options.profile)),
        "parse": lambda folder: parsing.measure(counts),
        "door": lambda folder: asyncio.run(door.measure(counts, folder, options.profile)),
        "hub": lambda folder: asyncio.run(hub.measure(counts, folder)),
        "limiter": lambda folder: asyncio.run(limiter.measure(counts, folder)),
        "requests": lambda folder: asyncio.run(requests.measure(counts, folder, options.profile)),
        "truth": lambda folder: asyncio.run(truth.measure(counts, folder, options.profile)),
        "restart": lambda folder: asyncio.run(restarts.measure(counts, folder, options.profile)),
        "exits": lambda folder: asyncio.run(exits.measure(counts, folder)),
        "history": lambda folder: asyncio.run(history.measure(counts, folder, options.profile)),
        "memory": lambda folder: memory.measure(counts, folder),
    }
    wanted = [name.strip() for name in options.only.split(",")] if options.only else list(groups)
    if unknown := [name for name in wanted if name not in groups]:
        print(f"no figures named {', '.join(unknown)}; there are {', '.join(groups)}", file=sys.stderr)
        return 2
    try:
        report = _run(counts, {name: groups[name] for name in wanted}, options.keep)
    except (RuntimeError, OSError, TimeoutError) as failed:
        print(failed, file=sys.stderr)
        return 1
    print(as_text(report))
    is_whole = counts.name == FULL.name and wanted == list(groups)
    if options.json is not None:
        _write_json(report, options.json)
    if options.write if options.write is not None else is_whole:
        _write_json(report, RESULTS)
        DOCUMENT.write_text(render(report), encoding="utf-8")
        print(f"\nwritten: {DOCUMENT.relative_to(ROOT)}, {RESULTS.relative_to(ROOT)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, about a minute; too few for a 99th percentile"
    )
    parser.add_argument("--long", action="store_true", help="watch the memory for ten minutes instead of one")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # whether it works at all, for the tests
    parser.add_argument("--only", metavar="start,hub,...", default="", help="these groups (default: all)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results there, too")
    parser.add_argument(
        "--write",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write docs/performance.md and benchmarks/results.json (default: after a full run of all groups)",
    )
    parser.add_argument(
        "--profile", metavar="FILE", type=Path, help="cProfile of the daemon's loop; distorts the times"
    )
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep logs and journals in this new folder")
    return parser


def _run(counts: Counts, groups: dict[str, Callable[[Path], Group]], keep: Path | None) -> Report:
    began, date = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as temporary:
        root = keep or temporary
        Path(root).mkdir(parents=True, exist_ok=True)
        described = machine.describe(Path(root))
        results = []
        for name, measure in groups.items():
            folder = Path(root) / name
            folder.mkdir(parents=True)
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            results.append(measure(folder))
    took_s = round(time.monotonic() - began, 1)
    return Report(date=date, counts=counts, took_s=took_s, machine=described, groups=tuple(results))


def _write_json(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
