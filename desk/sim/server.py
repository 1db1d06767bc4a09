"""The simulator as a server: REST, both hubs and the control door on one loopback port."""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, get_args

from aiohttp import web

from desk.sim import control
from desk.sim.config import SimConfig, utc_now
from desk.sim.connection import HubConnection
from desk.sim.counters import RequestRow
from desk.sim.door import Door
from desk.sim.eventlog import EventLog
from desk.sim.faultfile import FaultFile, read_faults
from desk.sim.faults import Faults, How
from desk.sim.feed import Feed
from desk.sim.hubs import Hubs
from desk.sim.model import Account, Contract, HalfTurn, Order, Position, Quote, Reply, UserEvent
from desk.sim.simclock import SkewedClock, WallTokens
from desk.sim.tokens import Tokens
from desk.sim.words import Status

if TYPE_CHECKING:
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")


class SimServer:
    """``async with SimServer(SimConfig(...)) as sim`` serves until the block ends; nothing is left behind then.

    Raises OSError when the port is taken and StateFileError when the state file cannot be used.
    """

    def __init__(self, config: SimConfig | None = None) -> None:
        self.config = config or SimConfig()
        self.faults = Faults(
            seed=self.config.seed,
            when_expired=self.config.when_expired,
            quote_snapshot=self.config.quote_snapshot,
        )
        self.config = replace(self.config, clock=SkewedClock(self.config.clock, self.faults))
        kind = Tokens if self.config.replay_file is None else WallTokens
        self.tokens = kind(self.config.seed, self.config.token_lifetime_s)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._pulse: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SimServer":
        """Load numpy, the files and the state in a thread, then listen."""
        planned = None if self.config.faults_file is None else read_faults(Path(self.config.faults_file))
        self._log = EventLog(self.config.log_file)
        try:
            self.config, self._venue = await _open_venue(self.config, self.faults)
        except BaseException:
            self._log.close()
            raise
        try:
            self.faults.on_said = lambda what: self._log.write("fault", fault=what)
            self._hubs = Hubs(self.config, self._venue, self.tokens, self.faults, self._log)
            self._door = Door(self.config, self._venue, self.tokens, self.faults, self._log)
            self._feed = Feed(self.config, self._venue, self._hubs, self.faults)
            self._feed.attach()
            self._feed.user.on_reject = self.reject_order
            if self.config.replay_file is not None:
                self._hubs.token_clock = utc_now
            if planned is not None:
                self._apply(planned)
            await self._listen()
        except BaseException:
            self._venue.close()
            self._log.close()
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
        if self._pulse is not None:
            self._pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pulse
        await self._feed.close()
        self._hubs.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._venue.close()
        self._log.close()

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
        return self._venue.available()

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
        self._feed.beat()
        self._venue.set_price(contract_id, price)
        self._feed.flush()

    def set_account(self, account_id: int, **changes: Any) -> None:
        """Change ``can_trade``, ``auto_oco``, ``balance`` ... of an account; told on the user hub. Raises KeyError."""
        self._venue.set_account(account_id, **changes)

    def expire_tokens(self) -> None:
        """Every token issued so far is dead from now on, as after 24 hours."""
        self.tokens.end_all(self.config.clock())
        self.faults.say("tokens.expired")
        self._hubs.expire()

    async def drop_hubs(self, hub: str, how: str = "abort") -> int:
        """End all connections of a hub, or of ``both``; they are gone when this returns.

        how: ``abort`` cuts the line, ``close`` sends type 7 first, ``logout`` GatewayLogout before that.
        """
        modes: dict[str, How] = {mode: mode for mode in get_args(How)}
        hubs = ("user", "market") if hub == "both" else (hub,)
        return sum(await asyncio.gather(*(self._hubs.drop(one, modes[how]) for one in hubs)))

    def burst(self, events: int, seconds: float = 10.0, contract_id: str | None = None) -> None:
        """08:30 in Chicago: so many extra quotes, trades and depth events for the contracts that are followed."""
        self._feed.burst(events, seconds, contract_id)

    def reject_order(self, order_id: int) -> bool:
        """Turn a working order down after it was accepted (reference 3.6); False when it is not working."""
        order = self._venue.exchange.books.orders.get(order_id)
        if order is None or not order.is_working:
            return False

        def do(now: datetime) -> tuple[Reply, list[UserEvent]]:
            books = self._venue.exchange.books
            current = books.orders[order_id]
            if current.is_working:
                books.finish(current, Status.REJECTED, now)
            return Reply(0), books.take_events()

        self._venue.act(order.contract_id, do)
        return True

    def fill_in_parts(self, contracts: int | None) -> None:
        """From now on one print fills at most so many contracts of an order; None: all (reference 3.7)."""
        self._venue.exchange.floor.fill_limit = lambda order: contracts
        self.faults.say(f"fills.partial contracts={contracts}")

    def cancel_pairs_after(self, ms: float) -> None:
        """From now on the sibling of a filled bracket leg lives so much longer and may fill, too (reference 6.3)."""
        self._venue.exchange.floor.oco_delay = timedelta(milliseconds=ms)
        self.faults.say(f"fills.oco_delay ms={ms:g}")

    def cancel_after(self, ms: float) -> None:
        """From now on a cancel is answered at once and carried out so much later; until then the order may fill (3.9)."""
        self._venue.exchange.floor.cancel_delay = timedelta(milliseconds=ms)
        self.faults.say(f"cancels.delay ms={ms:g}")

    def set_limits(self, general: tuple[int, float] | None = None, history: tuple[int, float] | None = None) -> None:
        """Other rate windows: requests and seconds (reference 6.1)."""
        self._door.set_limits(general, history)

    def cut_frames(self, chars: int | None) -> None:
        """Cut hub messages into frames of at most so many characters; None: whole again (reference 5.1)."""
        self._hubs.cut_chars = chars

    def roll(self, symbol: str) -> None:
        """The next month of a product such as MNQ becomes the active one (reference 3.3). Raises KeyError."""
        self._venue.roll(symbol)

    # -- inside -----------------------------------------------------------------------------------------------

    def _apply(self, planned: FaultFile) -> None:
        """What a faults file asks for."""
        planned.apply(self.faults)
        self.set_limits(planned.general_limit, planned.history_limit)
        if planned.token_lifetime_s is not None:
            self.tokens.lifetime_s = planned.token_lifetime_s
        if planned.partial_fills is not None:
            self.fill_in_parts(planned.partial_fills or None)
        if planned.oco_delay_ms is not None:
            self.cancel_pairs_after(planned.oco_delay_ms)
        if planned.cancel_delay_ms is not None:
            self.cancel_after(planned.cancel_delay_ms)

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """The Date header tells the gateway's own time, right or wrong."""
        response.headers["Date"] = format_datetime(self.config.clock(), usegmt=True)

    async def _listen(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.on_response_prepare.append(self._date)
        app.router.add_route("*", "/hubs/{hub}", self._hubs.connect)
        app.router.add_route("*", "/hubs/{hub}/negotiate", self._hubs.negotiate)
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
        asked = (await request.read()).decode(errors="replace")
        self._log.write("control", action=request.match_info["action"], body=asked)
        return await control.handle(self, request)


async def _open_venue(config: SimConfig, faults: Faults) -> tuple[SimConfig, "Venue"]:
    """Import numpy, read the recording and replay the down time in a thread of its own, gone when this returns.

    The config comes back with the recording and its clock.
    """

    def build() -> tuple[SimConfig, "Venue"]:
        from desk.sim import today  # noqa: F401 - here and not in the first beat
        from desk.sim.venue import Venue

        if config.replay_file is None:
            return config, Venue(config)
        from desk.sim.replay import ReplayClock, read_recording

        recording = read_recording(Path(config.replay_file))
        clock = SkewedClock(ReplayClock(recording.first, config.replay_speed, utc_now), faults)
        whole = replace(config, recording=recording, clock=clock)
        return whole, Venue(whole)

    with ThreadPoolExecutor(1, thread_name_prefix="sim-opener") as opener:
        return await asyncio.get_running_loop().run_in_executor(opener, build)
