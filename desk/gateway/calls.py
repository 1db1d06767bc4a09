"""One call from body to typed answer: limiter, wire, verdict. What every answer means stands in :func:`judge`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import msgspec

from desk.core.clock import Clock
from desk.core.errors import DeskError, GatewayError, OutcomeUnknown, ProtocolError, RateLimited, Refused, Unavailable
from desk.core.ids import ClientOrderId
from desk.core.secret import Secret
from desk.gateway.endpoints import Endpoint
from desk.gateway.pacing import Lane, Limiter
from desk.gateway.replies import Envelope, PlaceReply
from desk.gateway.requests import encode
from desk.gateway.transport import NeverSent, Reply, Transport
from desk.gateway.wire import decode, parse_id

__all__ = ["Caller", "RequestDone", "TokenRejected", "judge", "order_id", "retrying"]

_E = TypeVar("_E", bound=Envelope)
_T = TypeVar("_T")
_WAIT_SHARE = 0.75  # of a budget at most goes into waiting: no request leaves without time for its answer
_ENTRY_WAIT_S = 5.0  # an entry that would wait longer for the limiter is told so at once: the market moves
_BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_NOT_PROCESSED = frozenset({403, 404, 405, 413, 415})  # answered before the operation was reached


class TokenRejected(GatewayError):
    """HTTP 401 on a read: log in again and repeat once."""


@dataclass(frozen=True, slots=True)
class RequestDone:
    """What a counter or a benchmark wants to know of one request. ``error`` is the class name of what was raised."""

    path: str
    lane: Lane
    waited_s: float
    took_s: float
    error: str | None


class Caller:
    """Sends single requests. Never repeats one; ``on_request`` hears of each."""

    def __init__(
        self,
        transport: Transport,
        limiter: Limiter,
        clock: Clock,
        on_request: Callable[[RequestDone], None] | None = None,
    ) -> None:
        self.transport = transport
        self.limiter = limiter
        self._clock = clock
        self._on_request = on_request

    async def call(
        self,
        endpoint: Endpoint,
        body: msgspec.Struct,
        decoder: msgspec.json.Decoder[_E],
        *,
        token: Secret | None,
        budget_s: float,
        lane: Lane | None = None,
        client_order_id: ClientOrderId | None = None,
    ) -> _E:
        """One request, one verdict.

        budget_s: for waiting and sending together. Raises as :func:`judge` and ``Transport.post`` say, RateLimited also
        when our own limiter has no slot in time (then nothing was sent).
        """
        lane = endpoint.lane if lane is None else lane
        max_wait_s = min(budget_s * _WAIT_SHARE, _ENTRY_WAIT_S if lane is Lane.PLACE else budget_s)
        asked = started = self._clock.monotonic()
        error: str | None = None
        try:
            async with self.limiter.slot(lane, max_wait_s) as slot:
                started = self._clock.monotonic()
                try:
                    reply = await self.transport.post(
                        endpoint,
                        encode(body),
                        token=token,
                        timeout_s=max(budget_s - (started - asked), 0.05),
                        client_order_id=client_order_id,
                    )
                except NeverSent:
                    self.limiter.pacer.finish(slot, self._clock.monotonic(), was_sent=False)
                    raise
            self._note(reply, lane)
            return judge(endpoint, reply, decoder, lane=lane, clock=self._clock, client_order_id=client_order_id)
        except DeskError as exc:
            error = type(exc).__name__
            raise
        finally:
            if self._on_request is not None:
                now = self._clock.monotonic()
                self._on_request(RequestDone(endpoint.path, lane, started - asked, now - started, error))

    def _note(self, reply: Reply, lane: Lane) -> None:
        pacer = self.limiter.pacer
        if reply.status == 429:
            pacer.throttled(lane, self._clock.monotonic(), reply.retry_after_s(lane, self._clock))
        else:
            pacer.accepted(lane)


def judge(
    endpoint: Endpoint,
    reply: Reply,
    decoder: msgspec.json.Decoder[_E],
    *,
    lane: Lane,
    clock: Clock,
    client_order_id: ClientOrderId | None = None,
) -> _E:
    """What an HTTP answer means (reference 3.1, 3.6, 3.13).

    Refused: a definite no. OutcomeUnknown: a write that may have been executed (ambiguous or unlisted number, 401, 5xx,
    an unreadable answer). Unavailable: the same for a read, or surely not processed. RateLimited: 429. ProtocolError: a
    read's answer is nonsense.
    """
    if reply.status != 200:
        _judge_status(endpoint, reply, lane, clock, client_order_id)
    try:
        envelope = decode(reply.body, decoder)
    except ProtocolError as exc:
        if not endpoint.is_write:
            raise ProtocolError(f"{endpoint.path}: {exc}", exc.data) from exc
        raise OutcomeUnknown(
            f"answer not understood: {exc}", endpoint=endpoint.path, status=200, client_order_id=client_order_id
        ) from exc
    if envelope.is_ok:
        return envelope
    code, name = envelope.error_code, endpoint.codes.get(envelope.error_code)
    text = ": ".join(part for part in (name or f"unlisted code {code}", envelope.error_message) if part)
    is_definite = name is not None and code not in endpoint.ambiguous and not envelope.success
    if endpoint.is_write and not is_definite:
        raise OutcomeUnknown(text, endpoint=endpoint.path, code=code, client_order_id=client_order_id)
    raise Refused(
        text,
        endpoint=endpoint.path,
        code=code,
        client_order_id=client_order_id,
        gateway_order_id=order_id(envelope),
    )


def order_id(envelope: Envelope) -> int | None:
    """The id in a reply of place, refused ones included (3.6); an unreadable one is no reason to lose the rest."""
    if not isinstance(envelope, PlaceReply) or envelope.order_id is None:
        return None
    try:
        return parse_id(envelope.order_id, "orderId")
    except ProtocolError:
        return None


def _judge_status(
    endpoint: Endpoint, reply: Reply, lane: Lane, clock: Clock, client_order_id: ClientOrderId | None
) -> NoReturn:
    status, path = reply.status, endpoint.path
    if status == 429:
        wait_s = reply.retry_after_s(lane, clock)
        raise RateLimited("rate limit", retry_after_s=wait_s, endpoint=path, client_order_id=client_order_id)
    if status == 400:
        text = f"bad request: {_problem(reply.body)}"
        raise Refused(text, endpoint=path, status=status, client_order_id=client_order_id)
    if status == 401 and not endpoint.is_write:
        raise TokenRejected("token refused", endpoint=path, status=status)
    if endpoint.is_write and status not in _NOT_PROCESSED:
        text = "token refused" if status == 401 else "no clear answer"
        raise OutcomeUnknown(text, endpoint=path, status=status, client_order_id=client_order_id)
    raise Unavailable("not available", endpoint=path, status=status, client_order_id=client_order_id)


class _Problem(msgspec.Struct, frozen=True):
    title: str | None = None
    detail: str | None = None


_problem_decoder = msgspec.json.Decoder(_Problem)


def _problem(body: bytes) -> str:
    """The words of an RFC 7807 body, if it is one."""
    try:
        problem = _problem_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "no details"
    return " - ".join(part for part in (problem.title, problem.detail) if part)[:300] or "no details"


async def retrying(attempt: Callable[[float], Awaitable[_T]], budget_s: float, clock: Clock) -> _T:
    """Repeat a *read* while it is Unavailable, with jittered back-off, until ``budget_s`` is used up.

    attempt: gets the seconds that are left. A 429 is waited for only when the wait fits in. Raises the last error.
    """
    give_up_at = clock.monotonic() + budget_s
    for number in range(1_000_000):
        left_s = give_up_at - clock.monotonic()
        try:
            return await attempt(left_s)
        except (Unavailable, RateLimited) as exc:
            left_s = give_up_at - clock.monotonic()
            backoff_s = _BACKOFF_S[min(number, len(_BACKOFF_S) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            wait_s = max(backoff_s, exc.retry_after_s) if isinstance(exc, RateLimited) else backoff_s
            if wait_s >= left_s:
                raise
        await asyncio.sleep(wait_s)
    raise AssertionError("a budget is finite")
