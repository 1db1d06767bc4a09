"""``python -m tests.barproof --minutes 60 --seed 7``: exit code 1 when a bar is not the simulator's, with everything kept."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.barproof.run import Plan, run

EVERY_S = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.barproof", description="The proof of the bars, seeded.")
    parser.add_argument("--minutes", type=float, default=60.0, help="of trouble, real time (60)")
    parser.add_argument("--seed", type=int, default=1, help="every choice comes from it (1)")
    parser.add_argument("--kills", type=int, help="kill -9 (one in five minutes)")
    parser.add_argument(
        "--folder", type=Path, help="for logs and archive; kept. Default: a temporary one, kept on failure"
    )
    given = parser.parse_args()
    plan = Plan(given.seed, given.minutes, given.kills)
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="bars-"))
    folder.mkdir(parents=True, exist_ok=True)
    is_good = False
    try:
        outcome = asyncio.run(run(plan, folder, _Progress().say))
        is_good = outcome.is_good
    finally:
        if not is_good:
            print(f"\nlogs and archive are kept in {folder}; again: {plan.command}", file=sys.stderr)
    print(outcome.text)
    (folder / "report.txt").write_text(outcome.text + "\n", encoding="utf-8")
    if given.folder is None and is_good:
        shutil.rmtree(folder)
    return 0 if is_good else 1


class _Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def say(self, text: str) -> None:
        if time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
