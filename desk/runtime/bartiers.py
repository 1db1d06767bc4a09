"""Where bars are kept beside memory: Redis when one is named, and the archive. Each market has a place of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from desk.core.secret import Secret
from desk.gateway.config import SystemClock
from desk.runtime.tiers import Tier
from desk.settings.table import Settings
from desk.store import open_bar_archive, open_hot_bars

__all__ = ["bar_tiers", "place_of"]


def place_of(settings: Settings) -> tuple[str, Path]:
    """Name and directory of the market: another seed, or another gateway, is another market."""
    if settings.trading_mode == "live":
        return "live", settings.data_dir / "bars"
    if settings.paper_gateway_url is None:
        name = f"seed-{settings.paper_seed}"
    else:
        url = urlsplit(settings.paper_gateway_url)
        name = f"{(url.hostname or '').replace(':', '-')}-{url.port}"
    return f"paper-{name}", settings.data_dir / "paper" / "bars" / name


@asynccontextmanager
async def bar_tiers(settings: Settings) -> AsyncIterator[list[Tier]]:
    """Nearest first. Nothing is connected, read or imported before the first use."""
    name, directory = place_of(settings)
    redis = settings.redis_url
    if redis is None and settings.redis_host is not None:
        redis = Secret(f"redis://{settings.redis_host}:{settings.redis_port}/0")
    async with AsyncExitStack() as stack:
        tiers: list[Tier] = []
        if redis is not None:
            tiers.append(await stack.enter_async_context(open_hot_bars(redis, name, SystemClock())))
        tiers.append(await stack.enter_async_context(open_bar_archive(directory)))
        yield tiers
