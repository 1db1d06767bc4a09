"""A read that failed, or that lags behind what the hub told, proves nothing; what it was to find is still to be found."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.core.events import Event, ReadFailed, SnapshotRead
from desk.core.ids import AccountId, ClientOrderId
from desk.core.orders import OrderRequest, Role
from desk.core.words import OrderType, Side
from desk.engine import ReadAccount
from tests.engine.world import ACCOUNT, OTHER, PLACE, Faults, World, enter, opens


def test_a_watch_whose_read_failed_looks_once_more_and_does_not_wait_for_the_next_round() -> None:
    """Found by 13 hours of the world in a box with seed 4: a stop cancelled by hand stayed unseen for two rounds of 15 s."""
    world = World()
    world.run(3)
    world.alert(enter())
    world.run(20)
    world.faults = Faults(lost_event=1.0, failed_read=1.0)
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    while world.pending["reconcile:1001"] == 0:
        world.step()
    world.faults = Faults()
    world.run(3)
    assert world.state.protect_plan(PLACE) is not None
    world.run(60)
    world.check_quiet()
    assert world.venue.qty(PLACE) == 2, "its stop was placed again"


def test_a_gateway_that_does_not_answer_is_asked_no_oftener_the_longer_it_lasts() -> None:
    world = World()
    world.run(3)
    world.alert(enter())
    world.run(20)
    world.faults = Faults(failed_read=1.0)
    world.run(300)
    assert sum(world.pending.values()) <= 4
    world.faults = Faults()
    world.run(60)
    world.check_quiet()


class Reset(World):
    """The account that no bot trades is gone: a reset gave it another number (gateway reference 3.2)."""

    gone: AccountId | None = None
    asked = 0

    def _read(self, effect: ReadAccount) -> None:
        if effect.account_id != self.gone:
            super()._read(effect)
            return
        self.asked += 1
        failed = ReadFailed(
            account_id=effect.account_id, asked_by=(effect.asked_by,), reason="AccountNotFound", ts=self.now
        )
        self._expect(effect.asked_by, 0.1, lambda: failed)


def test_an_account_that_is_gone_does_not_use_up_the_requests_of_the_others() -> None:
    """Cause: the journal knows every account there ever was, and each that is gone was read every 2 s: 60 of 200 requests."""
    world = Reset(accounts=(ACCOUNT, OTHER))
    world.run(3)
    world.gone, world.accounts = OTHER, (ACCOUNT,)
    world.kill()
    world.run(60)
    assert world.asked <= 3
    world.gone, world.accounts = None, (ACCOUNT, OTHER)
    world.run(60)
    assert world.state.is_reconciled(OTHER), "should it come back, it is known again"


def test_nor_while_the_user_hub_is_down() -> None:
    """Cause: the read with which plans are taken up was asked again every 2 s, of an account that never answers, too."""
    world = Reset(accounts=(ACCOUNT, OTHER))
    world.run(3)
    world.gone, world.accounts = OTHER, (ACCOUNT,)
    world.kill()
    world.run(1)
    world.hub(False)
    world.run(60)
    assert world.asked <= 5


def test_an_account_where_something_is_open_is_read_again_soon() -> None:
    world = Reset(accounts=(ACCOUNT, OTHER))
    world.run(3)
    world.command(opens(), OTHER)
    world.run(3)
    world.gone = OTHER
    world.kill()
    world.run(60)
    assert world.asked >= 20


def test_a_read_that_still_shows_the_stop_of_which_the_end_was_just_told_does_not_end_the_guard() -> None:
    """Found by 570 hours of the world in a box with seed 102: nobody looked after that position any more."""
    world = World()
    world.run(3)
    world.alert(enter())
    world.run(20)
    lagging = world.venue.picture(world.now)
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    world.run(0.1)
    plan = world.state.protect_plan(PLACE)
    assert plan is not None
    world.give(
        SnapshotRead(
            account_id=ACCOUNT,
            asked_by=(plan.plan_id,),
            is_full=False,
            account=None,
            positions=tuple(lagging.positions.values()),
            working=tuple(order for order in lagging.orders.values() if order.status.is_working),
            finished=(),
            fills=(),
            asked_at=world.now - timedelta(milliseconds=50),
            ts=world.now,
        )
    )
    assert world.state.protect_plan(PLACE) is not None
    world.run(60)
    world.check_quiet()
    assert world.venue.qty(PLACE) == 2, "its stop was placed again"


@pytest.mark.parametrize(("accounts", "requests"), [(1, 20), (3, 50), (10, 50)])
def test_the_more_accounts_the_rarer_each_is_read_so_that_all_together_keep_their_budget(
    accounts: int, requests: int
) -> None:
    """The table in docs/architecture.md: five requests for a full read, in 60 s."""
    numbers = tuple(AccountId(ACCOUNT + number) for number in range(accounts))
    world = World(accounts=numbers)
    world.run(3)
    for account_id in numbers:
        order = OrderRequest(
            client_order_id=ClientOrderId(f"hand-{account_id}"), account_id=account_id, contract_id=PLACE[1],
            type=OrderType.MARKET, side=Side.BUY, qty=1,
        )  # fmt: skip
        order_id, _ = world.venue.place(order)
        world.trade(order_id)
    world.run(120)
    reads = 0
    give = world.give

    def counted(event: Event) -> object:
        nonlocal reads
        reads += isinstance(event, SnapshotRead)
        return give(event)

    world.give = counted  # type: ignore[method-assign,assignment]
    world.run(600)
    assert reads * 5 <= requests * 10 * 1.05
    assert reads * 5 >= requests * 10 * 0.8, "and it is looked at"
