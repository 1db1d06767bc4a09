"""When a connection counts as up, as lost and as proven, against servers that answer some calls and not others."""

from __future__ import annotations

from desk.gateway import GatewayClient, HubPool, UserFeed
from desk.sim import SimServer

from .conftest import ACCOUNT, until
from .test_hub import QUICK, Log


async def test_a_logout_is_a_loss_before_the_new_login_comes(sim: SimServer, client: GatewayClient) -> None:
    """While the login takes its time nothing is heard: what is known is stale from the logout on (reference 5.4)."""
    log = Log()
    async with HubPool(timings=QUICK) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], watch=log.watch)
        await feed.settled()
        sim.faults.next("login").hangs()
        await sim.drop_hubs("user", "logout")
        await until(lambda: len(log.lines) > 1)
        assert log.lines[1] == "lost: GatewayLogout"
        await until(lambda: log.ups == 2)
