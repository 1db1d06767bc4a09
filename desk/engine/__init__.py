"""Level 3: the engine. One state, one function that decides (``decide``), one that changes it (``apply``), no I/O.

Holds ``state``, ``apply``, ``decide`` with its parts (``alerts`` with ``turns``, ``gates`` and ``switches``, ``held``,
``pricing``, ``sending``, ``entries``, ``groups``, ``eithers``, ``touches``, ``reverses``, ``waiting``, ``exits``, ``reduces``,
``stops``, ``adoption``, ``reports``, ``reads``, ``resume``; ``amends`` and ``cares`` carry out what ``changes`` and ``legs``
rule), ``cover`` (what must have a stop), ``bots`` and ``sequence`` (what is remembered of senders), ``watchdog``, ``effects``,
``snapshot``.
Must not live here: waiting, clocks, sockets, files, locks. Start with ``decide.py``, then ``alerts.py``: where an alert
becomes an order.
"""

from desk.engine.apply import apply, fold
from desk.engine.decide import decide
from desk.engine.draft import Context, Decision
from desk.engine.effects import Effect, ReadAccount, Reduce, SearchTag, StartTimer, Submit, Tell
from desk.engine.state import State, requests_to_flat

__all__ = [
    "Context",
    "Decision",
    "Effect",
    "ReadAccount",
    "Reduce",
    "SearchTag",
    "StartTimer",
    "State",
    "Submit",
    "Tell",
    "apply",
    "decide",
    "fold",
    "requests_to_flat",
]
