"""A token that still lives is not thrown away because another one cannot be had (reference 2.1, 2.2)."""

from __future__ import annotations

import asyncio

import pytest

from desk.core.errors import AuthFailed
from desk.gateway import GatewayClient
from desk.sim import SimConfig, SimServer

from .conftest import ACCOUNT, config_of, count, until

LOGIN, VALIDATE = "/api/Auth/loginKey", "/api/Auth/validate"


async def test_a_refused_login_leaves_the_token_that_still_lives(sim: SimServer, client: GatewayClient) -> None:
    """The subscription ended at noon: what is held can be got out of until the token does."""
    old = client.token
    sim.faults.next("validate").rejects(4)
    sim.faults.next("login").rejects(9)
    with pytest.raises(AuthFailed, match="ApiSubscriptionNotFound"):
        await client.validate()
    assert await client.positions(ACCOUNT) == []
    assert client.token == old
    assert count(sim, LOGIN) == 2


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_a_token_that_the_gateway_calls_dead_is_not_used_again(
    sim: SimServer, client: GatewayClient, code: int
) -> None:
    sim.faults.next("validate").rejects(code)
    sim.faults.next("login").rejects(9)
    with pytest.raises(AuthFailed):
        await client.validate()
    with pytest.raises(AuthFailed, match="ApiSubscriptionNotFound"):
        await client.positions(ACCOUNT)
    assert count(sim, "/api/Position/searchOpen") == 0
    assert count(sim, LOGIN) == 2, "the refusal counts for a minute"


async def test_after_a_refused_login_refreshing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is right again within the day gets a new token before the old one ends."""
    monkeypatch.setattr("desk.gateway.auth.FINAL_COUNTS_S", 0.05)
    async with (
        SimServer(SimConfig(market="manual", token_lifetime_s=5.0)) as sim,
        GatewayClient(config_of(sim)) as client,
    ):
        await client.login()
        old = client.token
        sim.faults.next("validate").rejects(4)
        sim.faults.next("login").rejects(9)
        keeper = asyncio.create_task(client.keep_token_fresh(), name="token-keeper")
        await until(lambda: count(sim, VALIDATE) >= 2 and client.token != old)
        keeper.cancel()
        await asyncio.wait([keeper])
        assert count(sim, LOGIN) == 2, "the second validate brought a token"
