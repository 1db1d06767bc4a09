"""One hub connection that stays: a supervised coroutine over ``websockets`` (reference 5.1, 5.5).

Life of :meth:`HubConnection.run`: wait (back-off) → token → connect → handshake → invoke everything wanted, each
completion checked → up → until anything ends it → lost → again, without limit. Subscribing is only a change of wishes
and may happen at any time, connected or not: one task makes the server's subscriptions equal the wishes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from datetime import datetime
from typing import NoReturn
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from desk.core.clock import Clock
from desk.core.errors import DeskError, GatewayError, ProtocolError
from desk.core.secret import Secret
from desk.gateway.hubhealth import HubHealth, HubTimings
from desk.gateway.hubwords import HubListener, HubStatus, Probe, TokenSource
from desk.gateway.signalr import Closed, Completion, Handshake, HubMessage, HubProtocol, Invocation
from desk.gateway.sleepwatch import SleepWatch
from desk.gateway.subscriptions import Call, Subscription, Subscriptions

__all__ = ["HubConnection"]


class _Ended(DeskError):
    """This connection is over; the text says why."""


_READING_S = 0.005  # so long in a burst, then it is the others' turn
_CALLS_PER_FRAME = 100  # a client's message may have 32 KB (5.1)
_EXPECTED = (OSError, WebSocketException, GatewayError, ProtocolError)
_QUIET = logging.Logger("desk.gateway.websockets", level=logging.CRITICAL + 1)  # the library logs URLs with tokens


class HubConnection:
    """One hub at one URL for one login. Made by :class:`~desk.gateway.hubpool.HubPool`; ``run`` is its task."""

    def __init__(self, url: str, tokens: TokenSource, clock: Clock, timings: HubTimings) -> None:
        self._url = url.replace("http", "ws", 1) if url.startswith("http") else url
        self._tokens = tokens
        self._clock = clock
        self._timings = timings
        self._health = HubHealth(timings)
        self._listeners: list[HubListener] = []
        self._probes: list[Probe] = []
        self._subscriptions = Subscriptions()
        self._changed = asyncio.Event()  # there may be a call to make
        self._settled = asyncio.Condition()
        self._protocol = HubProtocol()
        self._answers: dict[str, asyncio.Future[str | None]] = {}
        self._restart: asyncio.Future[str] | None = None
        self._is_up = False
        self._told_up: list[HubListener] = []
        self._has_spoken = False  # events came on the present connection
        self._told_refused: dict[Subscription, str] = {}
        self._since: datetime | None = None
        self._bad_events = 0
        self._was_contested = False
        self._turned_away = 0  # tokens in a row that the upgrade refused
        self._last_heard = self._last_sent = 0.0
        self._up_at = self._lived_s = 0.0  # when the present connection came up, and how long the last one was

    # -- for subscribers -----------------------------------------------------------------------------------------------

    def listen(self, listener: HubListener) -> None:
        """Add a listener; it hears that the connection is up once everything wanted so far is answered, perhaps at once."""
        self._listeners.append(listener)
        if self._is_up and not self._subscriptions.due():
            self._tell_up()

    def probe(self, probe: Probe) -> None:
        """Ask this from time to time while there is a connection; what it answers ends the connection."""
        self._probes.append(probe)

    def want(self, one: Subscription) -> None:
        """Count one more subscriber. Never waits: the server is asked as soon as there is a connection."""
        if self._subscriptions.want(one):
            self._changed.set()

    def unwant(self, one: Subscription) -> bool:
        """Count one subscriber less; True: it was the last."""
        was_last = self._subscriptions.unwant(one)
        if was_last:
            self._changed.set()
        return was_last

    def wants(self, one: Subscription) -> bool:
        return self._subscriptions.wants(one)

    @property
    def wanted(self) -> frozenset[Subscription]:
        return self._subscriptions.wanted

    @property
    def active(self) -> frozenset[Subscription]:
        """Confirmed by the server on the present connection."""
        return self._subscriptions.active

    @property
    def pending(self) -> frozenset[Subscription]:
        """Wanted and not confirmed yet: served on connect."""
        return self._subscriptions.pending

    @property
    def is_up(self) -> bool:
        return self._is_up

    @property
    def status(self) -> HubStatus:
        now = self._clock.monotonic()
        return HubStatus(
            is_up=self._is_up,
            since=self._since,
            wanted=len(self._subscriptions.wanted),
            active=len(self._subscriptions.active),
            refused=self._subscriptions.refused,
            opened=self._health.opened,
            failures=self._health.failures,
            last_error=self._health.last_error,
            logouts=self._health.logouts(now),
            is_contested=self._health.is_contested(now),
            bad_events=self._bad_events,
        )

    async def settled(self, timeout_s: float = 30.0) -> None:
        """Until the connection is up and every wish is confirmed or refused. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._settled:
            await self._settled.wait_for(lambda: self._is_up and not self._subscriptions.due())

    def restart(self, reason: str) -> None:
        """Tear the connection down and build it anew, e.g. when its data went silent.

        Nothing when it is down anyway.
        """
        if self._restart is not None and not self._restart.done():
            self._restart.set_result(reason)

    # -- supervision ---------------------------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Stay connected. Ends only by cancellation, or with the bug of a listener."""
        while True:
            opened_before, self._lived_s = self._health.opened, 0.0
            try:
                reason = await self._one_life()
            except _EXPECTED as exc:
                reason = _describe(exc)
            finally:
                self._forget_connection()
            self._tell_lost(reason)
            was_opened = self._health.opened > opened_before
            self._health.ended(reason, was_opened=was_opened, lived_s=self._lived_s)
            wait_s = self._health.backoff_s(self._clock.monotonic()) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            if wait_s > 0:
                for listener in tuple(self._listeners):
                    listener.on_waiting(reason, wait_s)
            await asyncio.sleep(wait_s)

    async def _one_life(self) -> str:
        """One connection from its token to its end. Returns or raises why it ended."""
        token = await self._tokens.current()
        if self._health.take_login_due():
            token = await self._tokens.replace(token)
        opening = connect(
            f"{self._url}?access_token={quote(token.reveal(), safe='')}",
            open_timeout=self._timings.connect_s,
            close_timeout=2.0,
            ping_interval=None,  # the hub has its own
            compression=None,
            max_size=None,
            proxy=None,
            logger=_QUIET,
        )
        try:
            socket = await opening
        except InvalidStatus as exc:
            if exc.response.status_code == 401:
                is_first = self._turned_away % self._timings.early_deaths_before_login == 0
                if is_first:  # a second refusal is not the token's fault (6.3)
                    self._tokens.reject(token)
                self._turned_away += 1
            return f"HTTP {exc.response.status_code} at the upgrade"
        except TimeoutError:
            return f"no connection within {self._timings.connect_s:g} s"
        self._health.opened += 1
        self._turned_away = 0
        async with socket:
            reason = await self._use(socket, token, self._rotate_after_s())
            self._tell_lost(reason)  # before the closing handshake, which may take its time
            return reason

    def _rotate_after_s(self) -> float:
        """How long a connection with the present token may live: what happens at the token's end is not documented (2.3)."""
        expires_at, timings = self._tokens.expires_at, self._timings
        left_s = math.inf if expires_at is None else (expires_at - self._clock.now()).total_seconds()
        return min(timings.rotate_after_s, max(left_s * timings.rotate_share, timings.early_death_s))

    async def _use(self, socket: ClientConnection, token: Secret, rotate_after_s: float) -> str:
        self._protocol = HubProtocol()
        self._last_heard = self._last_sent = self._clock.monotonic()
        restart = self._restart = asyncio.get_running_loop().create_future()
        tasks = [  # end with this function, which awaits them
            asyncio.create_task(self._read(socket, token), name="hub-reader"),
            asyncio.create_task(self._keep_alive(socket, rotate_after_s), name="hub-keep-alive"),
            asyncio.create_task(self._reconcile(socket), name="hub-subscriptions"),
        ]
        try:
            await asyncio.wait([*tasks, restart], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._restart = None
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
            asked = restart.result() if restart.done() else None
            restart.cancel()
        return _why(errors, asked)

    async def _read(self, socket: ClientConnection, token: Secret) -> NoReturn:
        others_turn = self._clock.monotonic() + _READING_S
        while True:
            data = await socket.recv(decode=False)
            self._last_heard = self._clock.monotonic()
            if self._last_heard >= others_turn:  # frames that are here already come without a pause
                await asyncio.sleep(0)
                others_turn = self._clock.monotonic() + _READING_S
            now = self._clock.now()
            for message in self._protocol.receive(data):
                if not isinstance(message, Invocation):
                    self._on_control(message)
                elif message.target.lower() == "gatewaylogout":
                    self._on_logout(token)
                else:
                    self._publish(message, now)

    def _publish(self, message: Invocation, now: datetime) -> None:
        self._has_spoken = True
        for listener in tuple(self._listeners):
            try:
                listener.on_event(message.target, message.arguments, now)
            except ProtocolError as exc:
                self._bad_events += 1
                listener.on_bad_event(exc)

    def _on_control(self, message: HubMessage) -> None:
        match message:
            case Completion(invocation_id=call_id, error=error):
                answer = self._answers.pop(call_id, None)
                if answer is not None and not answer.done():
                    answer.set_result(error)
            case Closed(error=error):
                raise _Ended(f"closed by the server: {error or 'no reason given'}")
            case Handshake(error=error) if error is not None:
                raise _Ended(f"handshake refused: {error}")
            case Handshake():
                self._changed.set()
            case _:
                pass

    def _on_logout(self, token: Secret) -> NoReturn:
        """The server ended the session: another client took over, or the token ended (5.4). The next one logs in first."""
        self._health.logged_out(self._clock.monotonic())
        self._tell_contested()
        self._tokens.reject(token)
        raise _Ended("GatewayLogout")

    def _tell_contested(self) -> None:
        """Somebody else uses the login, or does not any more: says so once."""
        is_contested = self._health.is_contested(self._clock.monotonic())
        if is_contested is not self._was_contested:
            self._was_contested = is_contested
            for listener in tuple(self._listeners):
                listener.on_contested(is_contested)

    async def _keep_alive(self, socket: ClientConnection, rotate_after_s: float) -> NoReturn:
        """Pings when we were silent; ends the connection when the server was, when it is old, or when a probe says so."""
        timings, born, sleep = self._timings, self._clock.monotonic(), SleepWatch(self._clock)
        while True:
            now = self._clock.monotonic()
            if slept_s := sleep.slept_s():
                raise _Ended(f"this computer slept for {slept_s:.0f} s, or its clock was set")
            self._tell_contested()
            is_open = self._protocol.is_open
            if is_open and now - self._last_sent >= timings.ping_after_s:
                self._protocol.ping()
                await self._flush(socket)
            ends = [
                (self._last_heard + timings.dead_after_s, f"nothing heard for {timings.dead_after_s:g} s"),
                (born + rotate_after_s, "rotated before its token ends"),
            ]
            ends += [(now, why) for probe in self._probes if (why := probe(now, self._clock.now())) is not None]
            if not is_open:
                ends.append((born + timings.handshake_s, f"no handshake within {timings.handshake_s:g} s"))
            end_at, reason = min(ends)
            if now >= end_at:
                raise _Ended(reason)
            next_look = now + timings.look_every_s
            await asyncio.sleep(max(min(end_at, self._last_sent + timings.ping_after_s, next_look) - now, 0.01))

    async def _flush(self, socket: ClientConnection) -> None:
        data = self._protocol.to_send()
        if data:
            self._last_sent = self._clock.monotonic()
            await socket.send(data.decode())

    # -- subscriptions -------------------------------------------------------------------------------------------------

    async def _reconcile(self, socket: ClientConnection) -> NoReturn:
        """Make the server's subscriptions equal the wishes, now and after every change."""
        await self._flush(socket)  # our handshake
        while True:
            self._changed.clear()
            if self._protocol.is_open:
                while due := self._subscriptions.due():
                    await self._invoke(socket, due[:_CALLS_PER_FRAME])
                await self._tell_settled()
            try:
                async with asyncio.timeout(self._timings.refused_retry_s if self._subscriptions.refused else None):
                    await self._changed.wait()
            except TimeoutError:
                self._subscriptions.ask_refused_again()

    async def _invoke(self, socket: ClientConnection, due: list[Call]) -> None:
        """One frame with all calls, then all completions. A missing completion ends the connection."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[str | None]] = []
        for call in due:
            answer = self._answers[self._protocol.invoke(call.method, *call.arguments)] = loop.create_future()
            answers.append(answer)
        await self._flush(socket)
        _, missing = await asyncio.wait(answers, timeout=self._timings.invoke_s)
        if missing:
            raise _Ended(f"a subscription was not answered within {self._timings.invoke_s:g} s")
        for call, answer in zip(due, answers, strict=True):
            self._subscriptions.answered(call, answer.result())
        if self._told_refused != (refused := self._subscriptions.refused):
            self._told_refused = refused
            for listener in tuple(self._listeners):
                listener.on_refused(refused)

    async def _tell_settled(self) -> None:
        if not self._is_up:
            self._is_up, self._since, self._up_at = True, self._clock.now(), self._clock.monotonic()
        self._tell_up()
        async with self._settled:
            self._settled.notify_all()

    def _tell_up(self) -> None:
        for listener in tuple(self._listeners):
            if listener not in self._told_up:
                self._told_up.append(listener)
                listener.on_up()

    def _tell_lost(self, reason: str) -> None:
        """Also of a connection that never came up, if events came on it: they are from before a gap."""
        if not self._is_up and not self._has_spoken:
            return
        if self._is_up:
            self._is_up, self._since = False, self._clock.now()
            self._lived_s = self._clock.monotonic() - self._up_at
        self._has_spoken = False
        self._told_up.clear()
        for listener in tuple(self._listeners):
            listener.on_lost(reason)

    def _forget_connection(self) -> None:
        self._subscriptions.disconnected()
        self._told_refused = {}
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()


def _why(errors: list[BaseException], asked: str | None) -> str:
    """Why a connection ended. Raises a bug first, and a failure only when nothing says more."""
    for error in errors:
        if not isinstance(error, (_Ended, *_EXPECTED)):
            raise error
    for error in errors:
        if isinstance(error, _Ended):
            return str(error)
    if asked is not None:
        return asked
    raise errors[0]


def _describe(error: Exception) -> str:
    """One line without a URL in it: the URL carries the token."""
    if isinstance(error, DeskError):
        return str(error)
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__
