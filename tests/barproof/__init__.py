"""The proof of the bars: the daemon as a process, through every trouble that market data can meet, and what it stored.

``python -m tests.barproof --minutes 60 --seed N``. The truth is the simulator's own bars, asked over its REST by a client of
this package; the archive is read by a reader of this package. Neither goes through the desk's code: a shared misreading
would agree with itself. Start with ``run.py`` (the phases), then ``judge.py`` (the laws).
"""
