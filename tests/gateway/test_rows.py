"""One row that cannot be read: it costs a contract, but never a position, an order or a fill. And the rarer operations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from desk.core.errors import ProtocolError
from desk.gateway import GatewayClient
from desk.gateway.transport import Reply
from desk.sim import SimServer

from .conftest import ACCOUNT, MNQ, count, market
from .test_fuzz import ROW, Canned

GOOD = {"id": "CON.F.US.MNQ.Z26", "name": "MNQZ6", "tickSize": 0.25, "tickValue": 0.5, "activeContract": True}
GOOD["symbolId"] = "F.US.MNQ"
BAD: list[Any] = [
    {**GOOD, "id": "CON.F.US.BAD.Z26", "tickSize": 0},
    {"id": "CON.F.US.SHORT.Z26"},
    None,
    7,
    {**GOOD, "tickValue": "NaN"},
]


def says(client: GatewayClient, **members: Any) -> None:
    body = msgspec.json.encode({"success": True, "errorCode": 0, **members})
    client._caller.transport = cast(Any, Canned(Reply(200, body, None)))


@pytest.mark.parametrize("bad", BAD, ids=str)
async def test_a_bad_contract_row_is_skipped_and_named_and_the_others_stay(client: GatewayClient, bad: Any) -> None:
    says(client, contracts=[bad, GOOD])
    for read in (client.contracts, lambda: client.search_contracts("MNQ")):
        assert [one.contract_id for one in await read()] == [MNQ]
    assert len(client.skipped) == 2
    assert "contract row skipped" in str(client.skipped[0])
    assert client.skipped[0].data, "with its bytes"


async def test_a_contract_list_without_one_readable_row_proves_nothing(client: GatewayClient) -> None:
    says(client, contracts=BAD)
    with pytest.raises(ProtocolError, match="skipped"):
        await client.contracts()
    says(client, contracts=[])
    assert await client.contracts() == []
    says(client, contracts=None)
    with pytest.raises(ProtocolError, match="nothing is proven"):
        await client.contracts()


async def test_a_bad_row_among_positions_orders_or_fills_raises(client: GatewayClient) -> None:
    bad = {**ROW, "size": -1}
    says(client, positions=[ROW, bad], orders=[ROW, bad], trades=[ROW, bad], totalCount=2)
    since = datetime(2026, 11, 18, tzinfo=UTC)
    for read in (
        client.positions(ACCOUNT),
        client.working_orders(ACCOUNT),
        client.open_orders(ACCOUNT),
        client.orders_since(ACCOUNT, since),
        client.fills_since(ACCOUNT, since),
    ):
        with pytest.raises(ProtocolError):
            await read


async def test_open_orders_leaves_out_what_sleeps_and_what_is_done(sim: SimServer, client: GatewayClient) -> None:
    await client.place(market(stop_ticks=40, target_ticks=80))
    assert {leg.tag for leg in await client.open_orders(ACCOUNT)} == {"dsk-1-SL", "dsk-1-TP"}


async def test_logging_out_ends_the_session_and_the_next_call_logs_in(sim: SimServer, client: GatewayClient) -> None:
    old = client.token
    await client.logout()
    await client.accounts()
    assert client.token != old
    assert (count(sim, "/api/Auth/logout"), count(sim, "/api/Auth/loginKey")) == (1, 2)
