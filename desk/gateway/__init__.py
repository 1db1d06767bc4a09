"""Level 4: the ProjectX Gateway as core types. REST client, token, limiter, SignalR hubs and their pool.

Wire shapes stop at ``wire.py`` and ``hubwire.py``; aiohttp stops at ``transport.py``, websockets at ``hub.py``.
Must not live here: decisions about trading, the journal, retries of writes.
Start with ``client.GatewayClient``, then ``hubpool.HubPool``. What costs an import is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from desk.gateway.config import AppLogin, GatewayConfig
from desk.gateway.errors import PoolFull, ReadOnlyGateway
from desk.gateway.hubhealth import HubTimings
from desk.gateway.pacing import Lane, PacingConfig

if TYPE_CHECKING:
    from desk.gateway.calls import RequestDone
    from desk.gateway.client import GatewayClient
    from desk.gateway.feeds import FeedWatch, Kind, MarketFeed, UserFeed
    from desk.gateway.hubpool import HubPool
    from desk.gateway.hubwords import HubStatus
    from desk.gateway.silence import SilenceConfig

__all__ = [
    "AppLogin",
    "FeedWatch",
    "GatewayClient",
    "GatewayConfig",
    "HubPool",
    "HubStatus",
    "HubTimings",
    "Kind",
    "Lane",
    "MarketFeed",
    "PacingConfig",
    "PoolFull",
    "ReadOnlyGateway",
    "RequestDone",
    "SilenceConfig",
    "UserFeed",
]

_LATER = {
    "GatewayClient": "desk.gateway.client",
    "FeedWatch": "desk.gateway.feeds",
    "HubPool": "desk.gateway.hubpool",
    "HubStatus": "desk.gateway.hubwords",
    "Kind": "desk.gateway.feeds",
    "MarketFeed": "desk.gateway.feeds",
    "UserFeed": "desk.gateway.feeds",
    "SilenceConfig": "desk.gateway.silence",
    "RequestDone": "desk.gateway.calls",
}


def __getattr__(name: str) -> Any:
    """Load a part on first use: reading the settings costs neither aiohttp nor websockets."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
