"""The world in a box: main loop, engine, executor lanes and the simulated exchange in one process on virtual time.

No sockets, no threads, no waiting: a run is a function of its seed. Start with ``box.py``; what must hold is in ``laws.py``.
"""
