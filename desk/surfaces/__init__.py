"""Level 6: what people and other programs see: the command table, the console, the JSON views and the two HTTP doors.

``commands`` is one table for console, ``POST /api/command`` and attach; ``ticket`` says what a typed order means,
``giving`` how it is asked, handed over and told; ``view`` the JSON; ``sheet``, ``show`` how values are written. Must not
live here: a decision, the gateway, or a number that nobody measured. Surfaces read frozen snapshots of
``desk.runtime.desk.Desk`` and put requests into its inbox. Start with ``commands.py``.
"""

__all__: list[str] = []
