"""``python -m tests.chaos --seed 7``: exit code 1 when a law was broken, with the first offender's story and the data kept."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.run import Plan, run

EVERY_S = 10.0


def main() -> int:
    plan = Plan(1)
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The proof of order truth, seeded.")
    parser.add_argument("--seed", type=int, default=1, help="every choice comes from it (1)")
    parser.add_argument("--alerts", type=int, default=plan.alerts, help=f"in the storm ({plan.alerts})")
    parser.add_argument("--kills", type=int, default=plan.kills, help=f"kill -9, in the storm ({plan.kills})")
    parser.add_argument("--accounts", type=int, default=plan.accounts, help=f"a daemon each ({plan.accounts})")
    parser.add_argument("--rate", type=float, default=plan.rate, help=f"alerts a second in the storm ({plan.rate:g})")
    parser.add_argument(
        "--true-alerts", type=int, default=plan.true_alerts, help=f"at true rate limits ({plan.true_alerts})"
    )
    parser.add_argument(
        "--true-rate", type=float, default=plan.true_rate, help=f"alerts a second there ({plan.true_rate:g})"
    )
    parser.add_argument(
        "--weather", type=float, default=plan.weather, help="faults so many times as often; 0: none (1)"
    )
    parser.add_argument(
        "--folder", type=Path, help="for logs and journals; kept. Default: a temporary one, kept on a failure"
    )
    given = parser.parse_args()
    plan = Plan(**{name: value for name, value in vars(given).items() if name != "folder"})
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    is_good = False
    try:
        outcome = asyncio.run(run(plan, folder, _progress(plan)))
        is_good = outcome.is_good
    finally:
        if not is_good:
            print(f"\nlogs and journals are kept in {folder}; again: {plan.command}", file=sys.stderr)
    print(outcome.text)
    if given.folder is None and is_good:
        shutil.rmtree(folder)
    return 0 if is_good else 1


def _progress(plan: Plan) -> Callable[[str, int], None]:
    """A bar on a terminal, else a line now and then."""
    total = plan.alerts + plan.true_alerts
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=Console(stderr=True))
        bar.start()
        task = bar.add_task("starting", total=total)

        def drawn(phase: str, answered: int) -> None:
            bar.update(task, description=phase, completed=answered)
            if answered >= total - 1:
                bar.stop()

        return drawn
    began = time.monotonic()
    said = [began - EVERY_S]

    def told(phase: str, answered: int) -> None:
        now = time.monotonic()
        if now - said[0] >= EVERY_S:
            said[0] = now
            print(f"{now - began:6.0f} s  {phase}: {answered} of {total} alerts answered", file=sys.stderr, flush=True)

    return told


if __name__ == "__main__":
    sys.exit(main())
