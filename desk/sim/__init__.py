"""A simulated ProjectX Gateway on loopback: accounts, orders, brackets, a market that never closes, both hubs.

Everything the far side of the wire does lives here, written from the documentation alone: "reference 3.7" in a
docstring is section 3.7 of ``projectx-gateway.md``. Nothing of ours but ``desk.core`` may be imported, for a shared
misreading would agree with itself. ``exchange.py`` and what it imports is pure, ``server.py`` and its kind carry bytes.
Start reading at ``server.SimServer``, then ``venue.Venue``, ``exchange.Exchange`` and ``market.Market``.
"""

from typing import TYPE_CHECKING, Any

from desk.sim.config import AccountSpec, SimConfig, parse_latency

if TYPE_CHECKING:
    from desk.sim.server import SimServer
    from desk.sim.statefile import StateFileError

__all__ = ["AccountSpec", "SimConfig", "SimServer", "StateFileError", "parse_latency"]


def __getattr__(name: str) -> Any:
    """Load server and state file on first use: importing this room costs neither aiohttp nor numpy."""
    if name == "SimServer":
        from desk.sim.server import SimServer

        return SimServer
    if name == "StateFileError":
        from desk.sim.statefile import StateFileError

        return StateFileError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
