"""The world: one process of the desk that lives, is killed and starts again, beside an exchange that goes on."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import structlog

from desk.bots import BotConfig
from desk.core.errors import StoreError, Unavailable
from desk.core.events import (
    AccountReported,
    AlertReceived,
    Event,
    FlattenRequested,
    HubChanged,
    IntentGiven,
    PriceMoved,
    ResyncRequested,
)
from desk.core.ids import CauseId, new_cause_id
from desk.core.records import Record
from desk.core.words import OrderType
from desk.engine import Context, State
from desk.engine.cares import contracts_that_wait_for_prices
from desk.runtime.executor import Executor
from desk.runtime.inbox import Inbox
from desk.runtime.loop import MainLoop
from desk.sim.model import UserEvent
from tests.world.border import Border, UserHub
from tests.world.faults import Faults, Rates
from tests.world.laws import MAX_POSITION, Laws, Place
from tests.world.memory import MemoryJournal
from tests.world.sender import Sender
from tests.world.times import START, ManualClock, TimeLoop
from tests.world.trader import Trader
from tests.world.venue import ACCOUNTS, ALPHA, BETA, Venue

ALERT_EVERY_S = 60.0
STORM_S = 2 * 3600.0  # then it is calm, and everything has to be in order
CALM_S = 120.0
STILL_S = 10.0
SENT_AGAIN_S = 6.0
LOOK_S = 60.0
SNAPSHOT_EVERY = 1_000  # records; so that most kills find one, and a start folds less
WEATHER = (0.0, 1.0, 1.0, 4.0, 10.0)  # times the given rates, one for each storm
GIVEN_UP_S = 90.0  # within the time in which a repeat is known (TradingView reference 7)
BOTS = {
    "alpha": BotConfig("alpha", ALPHA, frozenset({"MNQ", "MES"}), 2, MAX_POSITION, 15.0),
    "beta": BotConfig("beta", BETA, frozenset({"MNQ"}), 1, MAX_POSITION, 15.0),
}


@dataclass
class Report:
    """What a run was and what came of it. ``broken`` is empty when every law held."""

    seed: int
    hours: float
    wall_s: float
    counts: Counter[str]
    faults: Counter[str]
    verdicts: Counter[str]
    commands: Counter[str]
    naked_s: Counter[str]
    longest_s: Counter[str]
    broken: str = ""
    newest: list[Record] = field(default_factory=list)

    def __str__(self) -> str:
        def line(counter: Counter[str], digits: int = 0) -> str:
            return ", ".join(f"{name} {number:,.{digits}f}" for name, number in sorted(counter.items())) or "none"

        return "\n".join(
            [
                f"seed {self.seed}: {self.hours:,.1f} hours in {self.wall_s:.1f} s, "
                f"{self.hours / max(self.wall_s, 1e-9):,.1f} hours per second",
                f"  counts        {line(self.counts)}",
                f"  verdicts      {line(self.verdicts)}",
                f"  commands      {line(self.commands)}",
                f"  faults        {line(self.faults)}",
                f"  naked seconds {line(self.naked_s, 1)}",
                f"  longest       {line(self.longest_s, 2)}",
                f"  BROKEN        {self.broken}" if self.broken else "  every law held",
            ]
        )


class World:
    """Everything of one run. ``run`` once."""

    def __init__(self, seed: int, rates: Rates | None = None, start: datetime = START) -> None:
        self.seed = seed
        self._start = start
        self.rates = rates if rates is not None else Rates()
        self.clock = ManualClock(start)
        self.faults = Faults(self._dice("faults"), self.rates)
        self.venue = Venue(self.clock, self._dice("market"), ("MNQ", "MES"), resize_legs=seed % 2 == 1)
        self.border = Border(self.venue, self.clock, self._dice("latency"), self.faults)
        self.hub = UserHub(self._dice("hub"), self.faults)
        self.journal = MemoryJournal(self._dice("journal"), self.faults)
        self.laws = Laws(self.venue, self.clock, self._broke)
        self.counts: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()  # by what became of them
        self._ids = self._dice("ids")
        self._when = self._dice("times")
        self._sender = Sender(self._dice("sender"), self._new_cause)
        self._trader = Trader(self._dice("trader"), self._new_cause, self.venue)
        self._life = 0
        self._inbox: Inbox | None = None
        self._process: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._is_calm = False
        self._broken: list[str] = []
        self._end: asyncio.Event | None = None
        self.laws.failed_at = self.border.failed_at
        self.venue.tell = self._tell
        self.venue.moved = self._moved
        self.border.asked = self.laws.on_asked
        self.journal.written = self.laws.on_record
        self.journal.kill = self._kill

    def _dice(self, name: str) -> random.Random:
        """Each part throws its own, so that one more fault does not move the market."""
        return random.Random(f"{self.seed}:{name}")

    def run(self, hours: float) -> Report:
        started = time.perf_counter()
        loop = TimeLoop(self.clock)
        loop.set_exception_handler(lambda _, what: self._broke(_story_of(what.get("exception"), what["message"])))
        with _alone(self.counts, self._dice("process")):
            try:
                loop.run_until_complete(self._main(hours))
            finally:
                loop.close()
        self.counts["orders"], self.counts["fills"] = self.venue.orders, self.venue.fills
        self.counts["rolls"] = self.venue.rolls
        self.counts["records"], self.counts["orphans traded"] = self.journal.seq, self.laws.orphans_traded
        return Report(
            seed=self.seed,
            hours=self.clock.seconds / 3600,
            wall_s=time.perf_counter() - started,
            counts=self.counts,
            faults=self.faults.counts,
            verdicts=self.laws.verdicts,
            commands=self.commands,
            naked_s=self.laws.naked_s,
            longest_s=self.laws.longest_s,
            broken=self._broken[0] if self._broken else "",
            newest=list(self.journal.newest) if self._broken else [],
        )

    # -- the story -----------------------------------------------------------------------------------------------------

    async def _main(self, hours: float) -> None:
        self._end = asyncio.Event()
        telling = asyncio.create_task(self._tell_story(hours))
        telling.add_done_callback(lambda _: self._end and self._end.set())
        await self._end.wait()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if telling.done() and not telling.cancelled() and telling.exception() is not None:
            self._broke(_story_of(telling.exception(), "the driver failed"))

    async def _tell_story(self, hours: float) -> None:
        self.venue.open()
        self._wake()
        self._send_next()
        rates = {
            "kills": self._kill, "gaps": self._gap, "outages": self._outage, "resyncs": self._resync,
            "hand_closes": self._close_by_hand, "hand_cancels": self._cancel_by_hand, "flattens": self._flatten,
            "commands": self._command, "dark_markets": self._go_dark,
        }  # fmt: skip
        for name, what in rates.items():
            self._again_and_again(name, what)
        left = hours * 3600
        while left > 0:
            await asyncio.sleep(min(left, STORM_S))
            left -= STORM_S
            await self._calm_down()

    async def _calm_down(self) -> None:
        self._is_calm, self.faults.rates = True, Rates.none()
        await asyncio.sleep(CALM_S)
        self.venue.is_still = True  # a leg that trades now would still be on its way to the desk
        await asyncio.sleep(STILL_S)
        self.laws.quiet(self.journal.folded)
        self.venue.is_still = False
        self._is_calm, self.faults.rates = False, self.rates.times(self._when.choice(WEATHER))

    def _broke(self, why: str) -> None:
        at = f"at {self.clock.now():%d %H:%M:%S.%f} ({self.clock.seconds / 3600:.2f} h)"
        again = f"python -m tests.world --seed {self.seed} --hours {self._hours_needed()} --commands {self.rates.commands:g}"
        again += f" --start {self._start:%Y-%m-%dT%H:%M}" if self._start != START else ""
        self._broken.append(f"{why}\n  {at}; again: {again}")
        if self._end is not None:
            self._end.set()

    def _hours_needed(self) -> int:
        return int(self.clock.seconds // 3600) + 1

    # -- the desk's process --------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._process is not None:
            return
        self._life += 1
        self._process = asyncio.create_task(self._live(self._life), name="process")
        self._process.add_done_callback(self._died)

    async def _live(self, life: int) -> None:
        inbox = Inbox()
        loop = MainLoop(self.journal, inbox, self.clock, self._context, self._publish, Path())  # type: ignore[arg-type]
        try:
            await loop.recover("paper", "world")
        except StoreError:
            return
        async with Executor(self.border, inbox, self.clock) as executor:  # type: ignore[arg-type]
            loop.executor = executor
            self._loop, self._inbox = loop, inbox
            for account in self.venue.accounts():
                inbox.put(AccountReported(account=account, ts=self.clock.now()))
            self.hub.give = inbox.put
            asyncio.get_running_loop().call_later(self._when.uniform(0.1, 0.6), self._hub_up, life)
            await loop.run()

    def _died(self, process: asyncio.Task[None]) -> None:
        self._process = self._inbox = None
        self.laws.dies()
        self.hub.is_up = False
        self.hub.life += 1
        if process.cancelled():
            self._after(self._when.choice([0.5, 2.0, 20.0]) + self._when.random(), self._wake)
        elif process.exception() is not None:
            self._broke(_story_of(process.exception(), "the process died"))
        else:
            self._after(1.0, self._wake)

    def _context(self, is_journal_ok: bool) -> Context:
        quote = self.venue.quote
        return Context(self.clock.now(), BOTS, self.venue.contracts, is_journal_ok=is_journal_ok, quote=quote)

    def _publish(self, state: State) -> None:
        is_journal_ok = self._inbox is None or self._loop.is_journal_ok
        self.laws.on_state(state, self.journal.folded if is_journal_ok else state)

    def _tell(self, row: UserEvent, event: Event) -> None:
        self.laws.on_told(row)
        self.hub.tell(event)

    # -- the sender ----------------------------------------------------------------------------------------------------

    def _send_next(self) -> None:
        self._after(self._when.uniform(0.5, 1.5) * ALERT_EVERY_S, self._send_next)
        if not self._is_calm:
            self.counts["alerts"] += 1
            task = asyncio.create_task(self._send(self._sender.next(self.clock.now())))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _send(self, event: AlertReceived) -> None:
        """Until it was answered, as a sender with patience."""
        until = self.clock.now() + timedelta(seconds=GIVEN_UP_S)
        while self.clock.now() < until:
            if self._inbox is not None:
                try:
                    await self._inbox.ask(event)
                except (Unavailable, StoreError):
                    pass
                else:
                    self.laws.answered(event)
                    return
            await asyncio.sleep(SENT_AGAIN_S)
            event = self._sender.again(event, self.clock.now())
            self.counts["sent again"] += 1
        self.counts["given up"] += 1

    def _new_cause(self) -> CauseId:
        return new_cause_id(self.clock.now(), self._ids.randbytes(10))

    # -- what happens to it --------------------------------------------------------------------------------------------

    def _again_and_again(self, name: str, what: Callable[[], bool]) -> None:
        """At the rate of the weather that is; looked at anew every minute, so that a change of it counts."""
        wait = self.faults.wait_s(name)

        def come() -> None:
            if wait is not None and wait < LOOK_S and what():
                self.faults.counts[name] += 1
            self._again_and_again(name, what)

        self._after(LOOK_S if wait is None else min(wait, LOOK_S), come)

    def _after(self, delay_s: float, what: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_later(delay_s, what, *args)

    def _kill(self) -> bool:
        return self._process is not None and self._process.cancel()

    def _put(self, event: Event) -> bool:
        if self._inbox is not None:
            self._inbox.put(event)
        return self._inbox is not None

    def _resync(self) -> bool:
        return self._put(ResyncRequested(reason="a report was not understood", ts=self.clock.now()))

    def _hub_up(self, life: int) -> None:
        if life == self._life and self._inbox is not None:
            self.hub.is_up = True
            self._put(HubChanged(is_up=True, reason="connected", ts=self.clock.now()))

    def _hub_down(self, life: int) -> None:
        if life == self._life:
            self._put(HubChanged(is_up=False, reason="connection lost", ts=self.clock.now()))

    def _gap(self) -> bool:
        """Nothing comes any more; noticed after a while, back after another."""
        if not self.hub.is_up:
            return False
        self.hub.is_up = False
        self.hub.life += 1
        noticed = self._when.choice([0.0, 1.0, 5.0]) * self._when.random()
        self._after(noticed, self._hub_down, self._life)
        self._after(noticed + self._when.choice([0.3, 3.0, 20.0]), self._hub_up, self._life)
        return True

    def _outage(self) -> bool:
        def over() -> None:
            self.border.is_down = False
            self.laws.has_contact_again()

        self.border.is_down = True
        self.laws.loses_contact()
        self._after(self._when.choice([2.0, 10.0, 40.0]), over)
        return True

    def _flatten(self) -> bool:
        account_id = self._when.choice([*ACCOUNTS, None])
        return self._put(
            FlattenRequested(
                cause=self._new_cause(), account_id=account_id, contract_id=None, by="console", ts=self.clock.now()
            )
        )

    def _command(self) -> bool:
        event = None if self._is_calm else self._trader.next(self.clock.now())
        if event is None or self._inbox is None:
            return False
        task = asyncio.create_task(self._ask(event, self._inbox))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return True

    async def _ask(self, event: IntentGiven, inbox: Inbox) -> None:
        """A person who gets no answer looks at the screen and does not repeat it."""
        what = type(event.intent).__name__
        try:
            verdict = await inbox.ask(event)
        except (Unavailable, StoreError):
            self.counts["commands unanswered"] += 1
        else:
            self.commands[f"{what} {verdict.kind.value}"] += 1

    def _go_dark(self) -> bool:
        def light() -> None:
            self.venue.is_dark = False

        self.venue.is_dark = True
        self._after(self._when.choice([3.0, 20.0, 60.0]), light)
        return True

    def _moved(self) -> None:
        """After each print: the laws look, and the desk hears of prices that its plans wait for."""
        self.laws.look()
        state = self.laws.state
        if state is None or self._inbox is None or self.venue.is_dark:
            return
        for contract_id in sorted(contracts_that_wait_for_prices(state)):
            self._inbox.put_price(PriceMoved(contract_id=contract_id, ts=self.clock.now()))

    def _held_places(self) -> list[Place]:
        state = self.laws.state
        if state is None:
            return []
        held = [(account_id, contract) for account_id in ACCOUNTS for contract in self.venue.positions[account_id]]
        is_closing = lambda p: state.exit_plan(p) or state.flatten_plan(p[0]) or state.reduce_plan(p)  # noqa: E731
        return [place for place in held if not is_closing(place)]

    def _close_by_hand(self) -> bool:
        """Two closes at one moment reverse at the venue, and nobody could help it: only where no exit runs."""
        places = self._held_places()
        if places:
            place = self._when.choice(places)
            self.laws.by_hand.add(place)
            held = abs(self.venue.qty(*place))
            self.venue.close(*place, qty=self._when.randint(1, held))
        return bool(places)

    def _cancel_by_hand(self) -> bool:
        stops = [
            order
            for account_id, contract in self._held_places()
            for order in self.venue.working[account_id].values()
            if order.contract_id == contract and order.type is OrderType.STOP
        ]
        if stops:
            self.venue.cancel(stops[0].account_id, stops[0].gateway_order_id)
        return bool(stops)


def _story_of(problem: BaseException | None, text: str) -> str:
    return "".join(traceback.format_exception(problem)) if problem is not None else text


@contextmanager
def _alone(counts: Counter[str], dice: random.Random) -> Iterator[None]:
    """No log lines, no side file when the journal fails, and nothing random but the seed's dice."""
    before = structlog.get_config()

    def note(path: Path, records: object, reason: str) -> None:
        counts["side file"] += 1

    system = SimpleNamespace(urandom=dice.randbytes, getpid=lambda: 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        with patch.multiple("desk.runtime.loop", write_unjournalled=note, log_records=lambda records: None, os=system):
            yield
    finally:
        structlog.configure(**before)
