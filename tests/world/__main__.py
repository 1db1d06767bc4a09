"""``python -m tests.world --hours 1000 --seed 7``: exit code 1 when a law was broken, with the seed that shows it again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime

from tests.world.box import Report, World
from tests.world.faults import Rates
from tests.world.times import START


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description="Many trading hours, seeded, in a box.")
    parser.add_argument("--hours", type=float, default=100.0, help="simulated hours (100)")
    parser.add_argument("--seed", type=int, default=1, help="a run is a function of it (1)")
    parser.add_argument(
        "--worlds", type=int, default=1, help="share the hours, each with the next seed, on a core each (1)"
    )
    parser.add_argument(
        "--commands", type=float, default=Rates.commands, help=f"per hour, of a person ({Rates.commands})"
    )
    parser.add_argument("--start", type=_instant, default=START, help=f"UTC ({START:%Y-%m-%dT%H:%M})")
    given = parser.parse_args()
    if given.worlds < 1:
        parser.error("--worlds: at least 1")
    seeds = range(given.seed, given.seed + given.worlds)
    has_broken = False
    for report in _reports(seeds, given.hours / given.worlds, given.commands, given.start):
        for record in report.newest:
            print(record)
        print(report, flush=True)
        has_broken = has_broken or bool(report.broken)
    return 1 if has_broken else 0


def _reports(seeds: range, hours: float, commands: float, start: datetime) -> Iterator[Report]:
    """As they end."""
    if len(seeds) == 1:
        yield _run(seeds[0], hours, commands, start)
        return
    with ProcessPoolExecutor(len(seeds)) as pool:
        for ended in as_completed([pool.submit(_run, seed, hours, commands, start) for seed in seeds]):
            yield ended.result()


def _run(seed: int, hours: float, commands: float, start: datetime) -> Report:
    return World(seed, Rates(commands=commands), start).run(hours)


if __name__ == "__main__":
    sys.exit(main())
