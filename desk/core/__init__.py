"""Level 0: the words everybody speaks. No I/O, no imports from other rooms.

``words`` (contract, order, fill, position, quote, bar), ``alert`` (canonical alert), ``ids``, ``events`` (what happened),
``records`` (what was decided), ``errors``, ``symbols`` (root table and grammar), ``secret``, ``clock``.
Must not live here: anything that decides, waits, or reads the outside. Start with ``words.py``.
"""

__all__: list[str] = []
