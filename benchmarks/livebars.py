"""From a trade's frame to the bar in progress, in this process and without a socket: what one trade costs."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from benchmarks.figures import Counts, Figure, at_most, median, parts_of, percentile
from desk.core.ids import ContractId
from desk.gateway.hubwire import parse_contract_id, parse_trades
from desk.gateway.signalr import HubProtocol, Invocation
from desk.market.builder import Tape
from desk.market.tape import MarketTrade

__all__ = ["socket_to_bar"]

END = b"\x1e"
MINUTE = 60
START = 1_795_000_020 // MINUTE * MINUTE
MNQ = ContractId("CON.F.US.MNQ.Z26")
STEPS = ("frame to trade (SignalR, JSON, Decimal)", "trade into the tape", "bar in progress out of the tape")
A_SECOND = 20  # trades, as the product prints them (reference 5.3)


async def socket_to_bar(counts: Counts) -> Figure:
    """Every trade is looked at as a bar at once, which no listener does."""
    frames = [_frame(number) for number in range(counts.live_trades)]
    gc.collect()
    gc.disable()
    try:
        rows, bare = _read(frames), _bare(frames)
    finally:
        gc.enable()
    took = [(row[-1] - row[0]) * 1_000_000 for row in rows]
    return at_most(
        "trade frame received → the bar in progress has it, p50",
        median(took),
        "µs",
        floor=median(bare),
        floor_name="the same frame, msgspec decode alone",
        spread=(min(took), percentile(took, 99)),
        samples=len(took),
        parts=parts_of(rows, STEPS),
    )


def _frame(number: int) -> bytes:
    at = datetime.fromtimestamp(START, UTC) + timedelta(seconds=1 + number / A_SECOND)
    row = {
        "symbolId": "F.US.MNQ", "price": 29_500 + number % 40 * 0.25, "timestamp": at.isoformat(), "type": number % 2,
        "volume": 1 + number % 3, "contractId": MNQ,
    }  # fmt: skip
    return msgspec.json.encode({"type": 1, "target": "GatewayTrade", "arguments": [MNQ, [row]]}) + END


def _read(frames: list[bytes]) -> list[tuple[float, ...]]:
    """Stamps around STEPS. Raises RuntimeError when a trade is not in the bar."""
    protocol, rows, expected = HubProtocol(), list[tuple[float, ...]](), 0
    protocol.receive(b"{}" + END)
    tape = Tape(MINUTE, START, Decimal("0.25"))
    for number, frame in enumerate(frames):
        now = START + 1 + number // A_SECOND
        received = datetime.fromtimestamp(now, UTC)
        trades, began = list[MarketTrade](), time.perf_counter()
        for message in protocol.receive(frame):
            assert isinstance(message, Invocation), "trades only"
            contract_id, payload = parse_contract_id(message.arguments)
            trades = parse_trades(contract_id, payload, received)
        parsed = time.perf_counter()
        for trade in trades:
            tape.take(trade, now)
        taken = time.perf_counter()
        bar = tape.bars(MINUTE, now // MINUTE * MINUTE, now + 1)
        rows.append((began, parsed, taken, time.perf_counter()))
        at = 1 + number / A_SECOND
        expected = 1 + number % 3 + (expected if int(at) // MINUTE == int(at - 1 / A_SECOND) // MINUTE else 0)
        if int(bar.volume[-1]) != expected:
            raise RuntimeError(f"the bar has {bar.volume[-1]} contracts after trade {number}, not {expected}")
    return rows


def _bare(frames: list[bytes]) -> list[float]:
    decoder, took = msgspec.json.Decoder(), list[float]()
    for frame in frames:
        began = time.perf_counter()
        decoder.decode(frame[:-1])
        took.append((time.perf_counter() - began) * 1_000_000)
    return took
