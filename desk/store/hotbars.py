"""Pages of bars in Redis: a tier that several programs can share, and that outlives a restart of this one.

One key per page, ``desk:bars:<place>:v1:<contract>:<timeframe>:<page>``; nothing outside of ``desk:bars:<place>:`` is ever
touched. A value is a header and the columns as int64, no pickle, and is checked in full when it is read: what is not the
page that was asked for counts as absent, and the next ``put`` replaces it. Every wait is bounded. After a failure the tier
says TierDown at once for ``RETRY_S``, then lets one request try. ``redis`` is imported on first use, in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog

from desk.core.clock import Clock
from desk.core.errors import TierDown
from desk.core.secret import Secret
from desk.market.pages import Page, PageKey
from desk.store import hotpages
from desk.store.hotpages import HEAD_BYTES, MAX_BYTES
from desk.store.pagerules import BadPage, PageFacts, StoredSeries, folder_of, summed

__all__ = ["RETRY_S", "TIMEOUT_S", "HotBars", "open_hot_bars"]

log = structlog.get_logger("desk")

T = TypeVar("T")
TIMEOUT_S = 0.25
"""For connecting, and for each read or write on the socket. A tier that is slower than the archive is of no use."""
_DEADLINE = 4
"""For one page in all, in such times."""
RETRY_S = 5.0
TTL_S = 30 * 86_400
"""Redis has less room than a disk: a page that nobody wrote for a month goes."""
_CONNECTIONS = 4
_BIG_BYTES = 500_000
"""From here on a page is packed and checked in a thread: it takes milliseconds."""
_SCAN_COUNT, _MAX_SCANS = 1000, 200


@asynccontextmanager
async def open_hot_bars(
    url: Secret, place: str, clock: Clock, *, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[HotBars]:
    """Nothing is imported or connected before the first use."""
    tier = HotBars(url, place, clock, timeout_s=timeout_s)
    try:
        yield tier
    finally:
        await tier.close()


class HotBars:
    """A tier of pages. ``get``, ``put`` and ``series`` raise TierDown, its text a sentence for a person.

    url: ``redis://``, ``rediss://`` or ``unix://``, may carry a password. place: whose market it is, such as ``live`` or
    ``paper:seed-7``; pages of different places never meet.
    """

    name = "redis"

    def __init__(self, url: Secret, place: str, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        self.address = _without_password(url)
        self._url = url
        self._prefix = f"desk:bars:{place}:v{hotpages.VERSION}:"
        self._clock = clock
        self._timeout_s = timeout_s
        self._client: Any = None
        self._making: asyncio.Lock = asyncio.Lock()
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._retry_at: float | None = None
        self._trouble = ""
        self._is_closed = False

    async def get(self, key: PageKey) -> Page | None:
        """None: not stored, or no page of ours."""
        name = self._name(key)

        async def read(client: Any) -> bytes:
            # a range: whatever lies there, no more than a page is taken into memory
            data: bytes = await client.getrange(name, 0, MAX_BYTES)
            return data

        data = await self._call(read, if_other_kind=b"?")
        if not data:
            return None
        try:
            if len(data) < _BIG_BYTES:
                return hotpages.decode(key, data)
            return await asyncio.to_thread(hotpages.decode, key, data)
        except BadPage as bad:
            log.warning("redis.bad_value", key=name, reason=str(bad), meaning="it counts as absent and is replaced")
            return None

    async def put(self, key: PageKey, page: Page) -> None:
        """A page that breaks the rules of pages is not written; the log says why."""
        name = self._name(key)
        try:
            if page.bars.nbytes < _BIG_BYTES:
                data = hotpages.encode(key, page)
            else:
                data = await asyncio.to_thread(hotpages.encode, key, page)
        except BadPage as bad:
            log.error("redis.page_refused", key=name, reason=str(bad))
            return
        await self._call(lambda client: client.set(name, data, ex=TTL_S))

    async def series(self) -> list[StoredSeries]:
        """What the headers say, by contract and timeframe; at least so much, where the server holds very many keys."""
        found: list[PageFacts] = []
        cursor = 0
        for _ in range(_MAX_SCANS):
            cursor, heads = await self._call(partial(self._heads, cursor))
            found += [facts for head in heads if (facts := hotpages.facts_of(*head)) is not None]
            if not cursor:
                break
        return summed(found)

    async def close(self) -> None:
        self._is_closed = True
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def __repr__(self) -> str:
        return f"HotBars({self.address}, {self._prefix})"

    # --- one request -----------------------------------------------------------------------------------------------

    async def _heads(self, cursor: int, client: Any) -> tuple[int, list[tuple[bytes, int]]]:
        match = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix) + "*"
        cursor, names = await client.scan(cursor, match=match, count=_SCAN_COUNT)
        if not names:
            return int(cursor), []
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.getrange(name, 0, HEAD_BYTES - 1).strlen(name)
        found = await pipe.execute(raise_on_error=False)
        return int(cursor), [pair for pair in zip(found[::2], found[1::2], strict=True) if isinstance(pair[0], bytes)]

    async def _call(self, work: Callable[[Any], Awaitable[T]], if_other_kind: T | None = None) -> T:
        """if_other_kind: the answer where the key holds a list or the like. Raises TierDown."""
        async with self._turns:
            self._check_open()
            client = await self._connected()
            from redis.exceptions import RedisError, ResponseError

            try:
                async with asyncio.timeout(_DEADLINE * self._timeout_s):
                    answer = await work(client)
            except ResponseError as exc:
                self._retry_at = None  # it answers
                if if_other_kind is not None and str(exc).startswith("WRONGTYPE"):
                    return if_other_kind
                raise TierDown(f"Redis at {self.address} refused: {str(exc)[:200]}") from None
            except (RedisError, OSError, TimeoutError, ValueError, EOFError) as exc:
                raise self._failed(exc) from None  # without the chain: it may carry the password
            self._retry_at = None
            return answer

    def _check_open(self) -> None:
        if self._is_closed:
            raise TierDown("the Redis tier is closed")
        now = self._clock.monotonic()
        if self._retry_at is not None:
            if now < self._retry_at:
                raise TierDown(self._trouble)
            self._retry_at = now + RETRY_S  # this one tries, the others go on without Redis meanwhile

    def _failed(self, exc: Exception) -> TierDown:
        cause = (
            "no answer in time" if isinstance(exc, TimeoutError) or "imeout" in type(exc).__name__ else str(exc)[:200]
        )
        self._trouble = (
            f"Redis at {self.address} cannot be used ({cause or type(exc).__name__}): check that it runs and that "
            "REDIS_URL is right, or take it out"
        )
        self._retry_at = self._clock.monotonic() + RETRY_S
        return TierDown(self._trouble)

    async def _connected(self) -> Any:
        async with self._making:
            if self._client is None:
                try:
                    asynchronous = await asyncio.to_thread(_import_redis)
                except ImportError:
                    self._trouble = "REDIS_URL is set, but the Python package redis is not installed: pip install redis"
                    self._retry_at = self._clock.monotonic() + RETRY_S
                    raise TierDown(self._trouble) from None
                self._client = _client_of(asynchronous, self._url, self._timeout_s)
            return self._client

    def _name(self, key: PageKey) -> str:
        return f"{self._prefix}{folder_of(key.contract_id)}:{folder_of(key.timeframe.text)}:{key.label}"


def _import_redis() -> Any:
    import redis.asyncio

    return redis.asyncio


def _client_of(asynchronous: Any, url: Secret, timeout_s: float) -> Any:
    """Without retries of its own, without resp3 and its push messages: one try, one answer."""
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return asynchronous.Redis.from_url(
        url.reveal(),
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _without_password(url: Secret) -> str:
    parts = urlsplit(url.reveal())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
