"""Going down in stages, each with a deadline and its leftovers named. Protective stops stay at the venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

__all__ = ["Stage", "run_stages"]

log = structlog.get_logger("desk.stop")


@dataclass(frozen=True, slots=True)
class Stage:
    """``work`` returns what it had to leave, in words; None when all is done."""

    name: str
    timeout_s: float
    work: Callable[[], Awaitable[str | None]]


async def run_stages(stages: tuple[Stage, ...]) -> None:
    """One after the other. A stage that fails or is late is named and left; the next one runs all the same."""
    for stage in stages:
        try:
            async with asyncio.timeout(stage.timeout_s):
                left = await stage.work()
        except TimeoutError:
            left = f"not finished after {stage.timeout_s:g} s"
        except Exception as error:  # a stage must never keep the later ones from running
            log.exception("stop.stage_failed", stage=stage.name)
            left = str(error)
        if left:
            log.warning("stop.leftovers", stage=stage.name, left=left)
        else:
            log.info("stop.stage_done", stage=stage.name)
