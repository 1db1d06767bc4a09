"""The benchmarks work from end to end, and the page is what the results say. No figure is judged here: machines differ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from benchmarks.document import render
from benchmarks.figures import Counts, Figure, Group, Machine, Part, Report, at_most, parts_of, percentile
from benchmarks.table import as_text, number

ROOT = Path(__file__).parents[1]

SAMPLE = Report(
    date="2026-01-31 14:32",
    counts=Counts(
        name="full", start_runs=2, alert_rounds=1, alerts_per_round=4, pause_s=0.1, notes_rounds=1, notes_s=1.0
    ),
    took_s=61.2,
    machine=Machine(
        cpu="Example CPU @ 3.00GHz",
        cores=2,
        memory_gb=7.8,
        python="CPython 3.11.7",
        system="Linux 6.1.0",
        filesystem="ext4",
        load_before=0.25,
        commit_ms=0.31,
        versions={"aiohttp": "3.12.0", "SQLite": "3.45.1"},
    ),
    groups=(
        Group(
            key="alert",
            title="Alert to wire",
            how="One alert after the other.",
            figures=(
                at_most(
                    "alert → wire, p50",
                    3.0,
                    "ms",
                    floor=1.2,
                    floor_name="bare handler",
                    ratio=2.0,
                    spread=(2.8, 3.25),
                    samples=4,
                    parts=(Part("commit", 2.0, 2 / 3), Part("client", 1.0, 1 / 3)),
                    floor_parts=(Part("client", 1.2, 1.0),),
                ),
                Figure(name="longest stall", value=4.25, unit="ms", goal="< 50 ms", is_met=True),
            ),
            raised=("request windows: 1,000,000",),
            notes=("Two collections.",),
        ),
    ),
)

PAGE = """\
# Performance

What matters is the way from an alert to the order on the wire, and that nothing stalls the event loop. This page is
written by `make bench` from `benchmarks/results.json`; do not edit it. Every figure stands beside its floor, taken in the
same run by the same generator: compare the ratio, not the milliseconds, with another machine.

| Run |  |
|---|---|
| date | 2026-01-31 14:32 UTC, full run of 61 s |
| CPU | Example CPU @ 3.00GHz, 2 cores, 7.8 GB |
| system | Linux 6.1.0, ext4 |
| Python | CPython 3.11.7; aiohttp 3.12.0, SQLite 3.45.1 |
| load before the run | 0.25 (average of a minute) |
| one bare SQLite commit | 0.31 ms (1.5 kB, WAL, synchronous=FULL, median) |

## Alert to wire

One alert after the other.

Settings that differ from the defaults: request windows: 1,000,000.

| Figure | Measured | Lowest–highest round | Floor | Ratio | Goal |  |
|---|--:|--:|--:|--:|--:|--:|
| alert → wire, p50 | 3.00 ms | 2.80–3.25 | 1.20 ms | 2.50x | ≤ 2x | MISSED |
| longest stall | 4.25 ms | – | – | – | < 50 ms | met |

Floors: bare handler (alert → wire, p50).

**Missed: alert → wire, p50**, 3.00 ms, 2.50x its floor, the goal is ≤ 2x. The largest parts: commit 2.00 ms (67%), client \
1.00 ms (33%). The floor's: client 1.20 ms. One bare SQLite commit takes 0.31 ms here.

Two collections.

### Where the time goes: alert → wire, p50

| Stretch | Time | Share |
|---|--:|--:|
| commit | 2.000 ms | 67% |
| client | 1.000 ms | 33% |

The floor's way:

| Stretch | Time | Share |
|---|--:|--:|
| client | 1.200 ms | 100% |
"""


def test_the_page_is_rendered_from_the_results_alone() -> None:
    read_back = msgspec.json.decode(msgspec.json.encode(SAMPLE), type=Report)
    assert render(read_back) == PAGE


def test_the_page_in_docs_is_the_one_of_the_results() -> None:
    results, page = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "performance.md"
    if not results.exists():
        pytest.skip("no full run was written yet")
    assert page.read_text(encoding="utf-8") == render(msgspec.json.decode(results.read_bytes(), type=Report))


def test_every_row_of_the_table_has_floor_and_ratio() -> None:
    lines = as_text(SAMPLE).splitlines()
    header = next(line for line in lines if line.startswith("Figure"))
    row = next(line for line in lines if line.startswith("alert → wire"))
    assert row[header.index("Floor") - 3 : header.index("Floor") + 5].strip() == "1.20 ms"
    assert row[header.index("Ratio") : header.index("Ratio") + 5] == "2.50x"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.4123, "ms", "0.412 ms"), (1.874, "ms", "1.87 ms"), (52.31, "ms", "52.3 ms"), (4210.4, "/s", "4,210 /s")],
)
def test_numbers_show_three_figures(value: float, unit: str, shown: str) -> None:
    assert number(value, unit) == shown


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values[:1], 99)) == (50.0, 99.0, 1.0)


def test_the_parts_of_a_path_are_medians_with_shares() -> None:
    parts = parts_of([(0.0, 0.001, 0.004), (5.0, 5.001, 5.004)], ("first", "second"))
    assert [(part.name, round(part.ms, 3), round(part.share, 2)) for part in parts] == [
        ("first", 1.0, 0.25),
        ("second", 3.0, 0.75),
    ]


TOGETHER = (  # each a run of its own, all at once: they mostly wait, and no time is judged here
    ("start", "alert", "notes", "parse"),
    ("door", "hub", "limiter", "requests"),
    ("truth", "restart", "exits"),
    ("history", "memory"),
)


@pytest.mark.timeout(260)
def test_a_tiny_run_measures_every_group(tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(TOGETHER)) as threads:
        reports = list(threads.map(lambda names: tiny_run(names, tmp_path / f"{names[0]}.json"), TOGETHER))
    groups = [group for report in reports for group in report.groups]
    assert {group.key for group in groups} == named_groups()
    for group in groups:
        first = group.figures[0]
        assert first.floor is not None
        assert first.ratio is not None
        assert first.parts or group.key not in {"start", "alert", "notes"}, "a miss must be explained from measurement"
    for report in reports:
        page = render(report)
        assert not any(str(place) in page for place in (tmp_path, ROOT, Path.home())), "no paths of this machine"


def tiny_run(names: Sequence[str], results: Path) -> Report:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", "--only", ",".join(names), "--json", str(results)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
    )
    assert run.returncode == 0, run.stderr
    assert "Floor" in run.stdout
    report = msgspec.json.decode(results.read_bytes(), type=Report)
    assert [group.key for group in report.groups] == list(names)
    return report


def named_groups() -> set[str]:
    """All that there are, as the refusal of an unknown one names them."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "none"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=20,
    )
    assert run.returncode == 2, run.stderr
    return set(run.stderr.rpartition("there are ")[2].strip().split(", "))
