"""``python -m tests.world --hours 1000 --seed 7``: exit code 1 when a law was broken, with the seed that shows it again."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from tests.world.box import World
from tests.world.faults import Rates
from tests.world.times import START


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description="Many trading hours, seeded, in a box.")
    parser.add_argument("--hours", type=float, default=100.0, help="simulated hours (100)")
    parser.add_argument("--seed", type=int, default=1, help="a run is a function of it (1)")
    parser.add_argument(
        "--commands", type=float, default=Rates.commands, help=f"per hour, of a person ({Rates.commands})"
    )
    parser.add_argument("--start", type=_instant, default=START, help=f"UTC ({START:%Y-%m-%dT%H:%M})")
    given = parser.parse_args()
    report = World(given.seed, Rates(commands=given.commands), given.start).run(given.hours)
    for record in report.newest:
        print(record)
    print(report)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
