"""Speed, measured: ``python -m benchmarks`` prints a table; ``make bench`` also writes docs/performance.md from it.

Every figure stands beside its floor, taken in the same run by the same generator. ``figures`` is what a result is,
``start``, ``alerts``, ``notes``, ``hub``, ``limiter``, ``requests`` and ``memory`` measure one group each,
``daemon`` and ``sinks`` are the processes that are measured, ``client`` is the load generator's connection, ``processes``
starts and ends them, ``table`` and ``document`` show results.
A new group is a module with a ``measure`` function and a line in ``__main__.GROUPS``.
"""
