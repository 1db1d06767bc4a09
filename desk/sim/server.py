"""The simulator as a server: REST, both hubs and the control door on one loopback port."""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from desk.sim import control
from desk.sim.config import SimConfig
from desk.sim.connection import HubConnection
from desk.sim.counters import RequestRow
from desk.sim.door import Door
from desk.sim.faults import Faults
from desk.sim.feed import Feed
from desk.sim.hubs import Hubs
from desk.sim.model import Account, Contract, HalfTurn, Order, Position, Quote
from desk.sim.tokens import Tokens

if TYPE_CHECKING:
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")


class SimServer:
    """``async with SimServer(SimConfig(...)) as sim`` serves until the block ends; nothing is left behind then.

    Raises OSError when the port is taken and StateFileError when the state file cannot be used.
    """

    def __init__(self, config: SimConfig | None = None) -> None:
        self.config = config or SimConfig()
        self.faults = Faults()
        self.tokens = Tokens(self.config.seed, self.config.token_lifetime_s)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._pulse: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SimServer":
        """Load numpy and the state in a thread, then listen."""
        self._venue = await _open_venue(self.config)
        try:
            self._hubs = Hubs(self.config, self._venue, self.tokens, self.faults)
            self._door = Door(self.config, self._venue, self.tokens, self.faults)
            self._feed = Feed(self.config, self._venue, self._hubs, self.faults)
            self._feed.attach()
            await self._listen()
        except BaseException:
            self._venue.close()
            raise
        self._pulse = asyncio.create_task(self._feed.run(), name="sim-feed")
        self._venue.sync()
        log.info("sim listening url=%s seed=%d", self.url, self.config.seed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop within a second, whatever hangs."""
        self._door.close()
        self._feed.close()
        if self._pulse is not None:
            self._pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pulse
        for hub in ("user", "market"):
            for one in self._hubs.live(hub):
                one.finish()
        if self._runner is not None:
            await self._runner.cleanup()
        self._venue.close()

    # -- where it is ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """REST base, without ``/api``."""
        return f"http://{self.config.host}:{self.port}"

    @property
    def user_hub_url(self) -> str:
        """The user hub as the documentation writes it; put ws: in front for a WebSocket."""
        return f"{self.url}/hubs/user"

    @property
    def market_hub_url(self) -> str:
        """The market hub."""
        return f"{self.url}/hubs/market"

    # -- what it saw ------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RequestRow]:
        """Every REST request so far."""
        return self._door.requests

    def connections(self, hub: str) -> list[HubConnection]:
        """Open connections of a hub, with their subscriptions."""
        return self._hubs.live(hub)

    def connections_opened(self, hub: str) -> int:
        """How many connections of a hub were ever opened."""
        return len(self._hubs.ever(hub))

    def hub_history(self, hub: str) -> list[HubConnection]:
        """All connections of a hub, open and closed, with their times."""
        return self._hubs.ever(hub)

    @property
    def contracts(self) -> list[Contract]:
        """The active contract of every product, as ``Contract/available`` lists them now."""
        return self._venue.catalogue.available(self.config.clock().date())

    @property
    def accounts(self) -> list[Account]:
        """All accounts as they stand."""
        return list(self._venue.exchange.books.accounts.values())

    @property
    def orders(self) -> list[Order]:
        """All orders, oldest first, rejected ones and bracket legs included."""
        return sorted(self._venue.exchange.books.orders.values(), key=lambda row: row.id)

    @property
    def positions(self) -> list[Position]:
        """Open positions."""
        return list(self._venue.exchange.books.positions.values())

    @property
    def trades(self) -> list[HalfTurn]:
        """All half-turns, oldest first."""
        return list(self._venue.exchange.books.trades)

    # -- what can be done to it -------------------------------------------------------------------------------

    def quote(self, contract_id: str) -> Quote:
        """The market of a contract now. Raises KeyError."""
        contract = self._venue.find(contract_id)
        if contract is None:
            raise KeyError(contract_id)
        return self._venue.market.quote(contract, self.config.clock())

    def set_price(self, contract_id: str, price: Decimal) -> None:
        """Freeze a contract and walk it to a price, tick by tick; whatever trades on the way is filled.

        After it the last trade and the bid are that price, the ask is one tick above. A resting limit fills when the
        price goes through it (``limit_fills``). Raises KeyError for the contract, ValueError off the tick grid.
        """
        self._venue.set_price(contract_id, price)
        self._feed.flush()

    def set_account(self, account_id: int, **changes: Any) -> None:
        """Change ``can_trade``, ``auto_oco``, ``balance`` ... of an account; told on the user hub. Raises KeyError."""
        self._venue.set_account(account_id, **changes)

    def expire_tokens(self) -> None:
        """Every token issued so far is dead from now on, as after 24 hours."""
        self.tokens.end_all(self.config.clock())
        log.warning("fault tokens.expired")

    async def drop_hubs(self, hub: str, how: str = "abort") -> int:
        """End all connections of a hub (``abort``, ``close`` or ``logout``); they are gone when this returns."""
        modes: dict[str, Literal["abort", "close", "logout"]] = {mode: mode for mode in ("abort", "close", "logout")}
        return await self._hubs.drop(hub, modes[how])

    # -- inside -----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/hubs/{hub}", self._hubs.connect)
        app.router.add_route("POST", "/hubs/{hub}/negotiate", self._hubs.negotiate)
        app.router.add_route("*", "/sim/{action}", self._control)
        app.router.add_route("*", "/{path:.*}", self._door.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.3)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.config.host, self.config.port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def _control(self, request: web.Request) -> web.StreamResponse:
        return await control.handle(self, request)


async def _open_venue(config: SimConfig) -> "Venue":
    """Import numpy and replay the down time in a thread of its own, which is gone when this returns."""

    def build() -> "Venue":
        from desk.sim.venue import Venue

        return Venue(config)

    with ThreadPoolExecutor(1, thread_name_prefix="sim-opener") as opener:
        return await asyncio.get_running_loop().run_in_executor(opener, build)
