"""Bars as columns say the same as bars as rows, to the last digit; nonsense raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import ProtocolError
from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit
from desk.gateway import GatewayClient
from desk.gateway.barcolumns import parse_bars
from desk.gateway.wire import WireBar
from desk.market.bars import Bars
from desk.sim import SimServer

MNQ = ContractId("CON.F.US.MNQ.Z26")
PRICES = (
    st.decimals(-1_000_000, 1_000_000, places=2)
    | st.decimals(0, 300, places=9)
    | st.decimals(-100, 600_000, places=9)
    | st.decimals(0, 9 * 10**9, places=3)
    | st.sampled_from(
        [Decimal(text) for text in ("4134.900000000001", "5.68E-14", "0.0067405", "1.5E-9", "-0.0", "6E+3")]
    )
)
ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.lists(PRICES, min_size=4, max_size=4), st.integers(0, 2**40)), max_size=12
)


def body(rows: list[tuple[int, list[Decimal], int]]) -> bytes:
    """As the gateway writes them, newest first; times repeat."""
    parts = []
    for minute, prices, volume in rows:
        opened = datetime(2026, 11, 18, 15, minute, tzinfo=UTC).isoformat()
        low, *middle, high = sorted(prices)
        parts.append(f'{{"t":"{opened}","o":{middle[0]},"h":{high},"l":{low},"c":{middle[1]},"v":{volume}}}')
    return ("[" + ",".join(parts) + "]").encode()


@given(ROWS)
def test_columns_and_rows_are_one_reading(rows: list[tuple[int, list[Decimal], int]]) -> None:
    data = body(rows)
    exact = msgspec.json.decode(data, type=list[WireBar])
    expected = Bars.of(row.to_core() for row in reversed(exact))
    assert parse_bars(data).equals(expected)


GOOD = {"t": "2026-11-18T15:29:00+00:00", "o": 2, "h": 3, "l": 1, "c": 2, "v": 5}


@pytest.mark.parametrize(
    "change",
    [
        {"t": None}, {"t": "yesterday"}, {"o": None}, {"h": "3"}, {"l": None}, {"c": [1]}, {"v": None}, {"v": 1.5}, {"v": -1},
        {"v": 2**63}, {"h": 0}, {"o": 1e300}, {"c": 10**19},
    ],
)  # fmt: skip
def test_a_row_that_is_none_raises(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        parse_bars(
            json.dumps([GOOD, GOOD | change | ({} if "t" in change else {"t": "2026-11-18T15:28:00Z"})]).encode()
        )


@pytest.mark.parametrize(
    "data", [b"null", b"{}", b"[null]", b'[{"t":"2026-11-18T15:29:00Z"}]', b"[NaN]", b"", b"[" * 9000]
)
def test_what_is_no_list_of_bars_raises(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_bars(data)


async def test_the_client_reads_the_same_either_way(client: GatewayClient) -> None:
    end = datetime.now(UTC)
    rows = await client.bars(MNQ, BarUnit.M, 5, end - timedelta(hours=6), end, limit=20)
    columns = await client.bar_columns(MNQ, BarUnit.M, 5, end - timedelta(hours=6), end, limit=20)
    assert list(columns.rows()) == rows


async def test_a_reply_without_bars_proves_nothing(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.next("history").rejects(1, "no such contract")
    end = datetime.now(UTC)
    with pytest.raises(Exception, match="no such contract"):
        await client.bar_columns(MNQ, BarUnit.M, 5, end - timedelta(hours=6), end)
