"""Level 5: what runs. The inbox, the main loop, the executor's lanes, history, start and stop.

Holds ``inbox`` (the one queue), ``loop`` (decide, journal, act), ``executor`` (lanes to the gateway), ``start`` (log in, then
all at once), ``stop`` (stages), ``desk`` (what surfaces may hold), ``logs``. Must not live here: a decision about trading.
Start with ``loop.py``.
"""

from desk.runtime.desk import BotDoor, Desk, Phase, StartStep
from desk.runtime.executor import Executor
from desk.runtime.inbox import Inbox
from desk.runtime.loop import MainLoop

__all__ = ["BotDoor", "Desk", "Executor", "Inbox", "MainLoop", "Phase", "StartStep"]
