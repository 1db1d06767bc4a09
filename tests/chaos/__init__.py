"""The proof of order truth: daemons and the simulated gateway as processes of their own, over real sockets, under every fault.

``python -m tests.chaos --seed N``. What is counted is read from the simulator's complete log; the daemons' journals are asked
only for what the gateway cannot know: which alerts were decided, and when an exit was under way. Start with ``run.py``
(the phases), then ``proof.py`` (the laws).
"""
