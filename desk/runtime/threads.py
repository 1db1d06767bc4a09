"""How much the threads beside the event loop may keep it waiting."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

__all__ = ["keep_loop_first"]

SWITCH_S = 0.001
AT_ONCE = 2  # each that computes may keep the loop waiting for one switch


def keep_loop_first() -> None:
    """On the running loop, once: whoever draws tables or reads numbers in a thread gives the interpreter back soon."""
    sys.setswitchinterval(SWITCH_S)
    few = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="work")
    asyncio.get_running_loop().set_default_executor(few)
