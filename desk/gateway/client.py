"""The gateway's REST operations as methods that speak core types. Mirrors the endpoints; decides nothing about trading."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
import structlog

from desk.core.clock import Clock
from desk.core.errors import OutcomeUnknown, ProtocolError, Refused
from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.timeframe import BarUnit
from desk.core.words import Account, Bar, Contract, Fill, VenueOrder, VenuePosition
from desk.gateway import endpoints as ep
from desk.gateway import replies, requests
from desk.gateway.barcolumns import parse_bars
from desk.gateway.calls import RequestDone, order_id
from desk.gateway.config import GatewayConfig
from desk.gateway.pacing import Lane
from desk.gateway.replies import Envelope, parse_contracts, proven
from desk.gateway.requests import build_place
from desk.gateway.session import GatewaySession
from desk.market.bars import Bars

__all__ = ["GatewayClient"]

log = structlog.get_logger("desk.gateway")
_T = TypeVar("_T")
_WORKING = [1, 6, 7, 8]  # open, pending, pending cancellation, suspended (reference 3.7)
_PAGE = 200
_MAX_BARS = 20_000
_HISTORY_WAIT_S = 120.0  # a long prefetch queues behind its own budget
_SKIPPED_KEPT = 100

_plain = msgspec.json.Decoder(Envelope)
_accounts = msgspec.json.Decoder(replies.AccountsReply)
_contracts = msgspec.json.Decoder(replies.ContractsReply)
_contract = msgspec.json.Decoder(replies.ContractReply)
_bars = msgspec.json.Decoder(replies.BarsReply)
_bar_columns = msgspec.json.Decoder(replies.BarColumnsReply)
_placed = msgspec.json.Decoder(replies.PlaceReply)
_orders = msgspec.json.Decoder(replies.OrdersReply)
_order = msgspec.json.Decoder(replies.OrderReply)
_positions = msgspec.json.Decoder(replies.PositionsReply)
_trades = msgspec.json.Decoder(replies.TradesReply)


class GatewayClient(GatewaySession):
    """One login at one gateway: one HTTP session, one token, one limiter. An async context manager.

    Every method raises the tree of ``core/errors.py``. For a write: Refused (a definite no), OutcomeUnknown (may have
    been executed: reconcile), RateLimited and Unavailable (surely not executed), ReadOnlyGateway (shadow mode). For a
    read: Unavailable or RateLimited when the budget is used up, Refused, AuthFailed, ProtocolError. ``urgent`` reads
    belong to an exit or a guard: they may use its reserve. Cancelling a read is safe; cancelling a write leaves its
    outcome unknown.

    Every operation of reference 3.12 has its method.
    ``skipped``: why contract rows could not be read, newest last. ``accounts_read_at``: when the accounts were asked for
    last and came, on the monotonic clock; None before.
    """

    def __init__(
        self,
        config: GatewayConfig,
        clock: Clock | None = None,
        *,
        on_request: Callable[[RequestDone], None] | None = None,
    ) -> None:
        super().__init__(config, clock, on_request=on_request)
        self.skipped: deque[ProtocolError] = deque(maxlen=_SKIPPED_KEPT)
        self.accounts_read_at: float | None = None

    # -- accounts, contracts, history ----------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """The active accounts of the login (3.2)."""
        asked_at = self._clock.monotonic()
        body = requests.SearchAccounts(only_active_accounts=True)
        reply = await self._shared_read("accounts", lambda: self._read(ep.ACCOUNTS, body, _accounts))
        accounts = [row.to_core() for row in proven(reply.accounts, "accounts")]
        self.accounts_read_at = asked_at
        return accounts

    async def contracts(self) -> list[Contract]:
        """Everything tradable now, one contract per product (3.3); rows that cannot be read go to ``skipped``."""
        body = requests.AvailableContracts(live=self.config.live_data)
        reply = await self._shared_read("contracts", lambda: self._read(ep.CONTRACTS, body, _contracts))
        return self._readable(proven(reply.contracts, "contracts"))

    async def search_contracts(self, text: str) -> list[Contract]:
        """At most 20 contracts whose name contains ``text``; other products match, too (3.3)."""
        body = requests.SearchContracts(search_text=text, live=self.config.live_data)
        reply = await self._shared_read(body, lambda: self._read(ep.SEARCH_CONTRACTS, body, _contracts))
        return self._readable(proven(reply.contracts, "contracts"))

    def _readable(self, rows: list[msgspec.Raw]) -> list[Contract]:
        """Raises ProtocolError when there are rows and not one of them can be read."""
        contracts, skipped = parse_contracts(rows)
        if {str(one) for one in skipped} - {str(one) for one in self.skipped}:  # the list is read again all day
            log.warning("contracts.skipped", count=len(skipped), first=str(skipped[0]))
        self.skipped.extend(skipped)
        if skipped and not contracts:
            raise skipped[0]
        return contracts

    async def contract(self, contract_id: ContractId) -> Contract | None:
        """One contract by id, expired ones included (``is_active`` False); None: unknown."""
        body = requests.ContractById(contract_id=contract_id)
        try:
            reply = await self._shared_read(body, lambda: self._read(ep.CONTRACT, body, _contract))
        except Refused as exc:
            if exc.code == 1:
                return None
            raise
        if reply.contract is None:
            raise ProtocolError(f"{ep.CONTRACT.path}: success without a contract")
        return reply.contract.to_core()

    async def bars(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int = _MAX_BARS,
        partial: bool = False,
    ) -> list[Bar]:
        """Bars that opened from ``start`` to ``end`` (aware), oldest first, one per time (3.4).

        limit: 1 to 20000; the newest are kept. partial: the bar that still forms, too. Whether ``end`` itself belongs
        to the window is unproven, so a caller filters.
        """
        body = self._bars_body(contract_id, unit, unit_number, start, end, limit, partial)
        reply = await self._shared_read(body, lambda: self._read(ep.BARS, body, _bars, budget_s=self._history_budget_s))
        by_time = {row.t: row for row in reversed(proven(reply.bars, "bars"))}  # the newer row of a time wins
        return sorted((row.to_core() for row in by_time.values()), key=lambda bar: bar.ts_open)

    async def bar_columns(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int = _MAX_BARS,
        partial: bool = False,
    ) -> Bars:
        """The same as :meth:`bars` in columns, read in a thread: 20,000 rows would hold up everything else."""
        body = self._bars_body(contract_id, unit, unit_number, start, end, limit, partial)

        async def read() -> Bars:
            reply = await self._read(ep.BARS, body, _bar_columns, budget_s=self._history_budget_s)
            if bytes(reply.bars) == b"null":
                raise ProtocolError("bars is missing or null: nothing is proven")
            return await asyncio.to_thread(parse_bars, bytes(reply.bars))

        return await self._shared.run(("columns", body), read)

    @property
    def _history_budget_s(self) -> float:
        return max(self.config.timeout_s, _HISTORY_WAIT_S)

    def _bars_body(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> requests.RetrieveBars:
        assert 0 < limit <= _MAX_BARS, "1 to 20000 bars at once"
        assert unit_number > 0, "unit_number is at least 1"
        return requests.RetrieveBars(
            contract_id=contract_id,
            live=self.config.live_data,
            start_time=start,
            end_time=end,
            unit=int(unit),
            unit_number=unit_number,
            limit=limit,
            include_partial_bar=partial,
        )

    # -- writes --------------------------------------------------------------------------------------------------------

    async def place(self, order: OrderRequest, *, reducing: bool = False) -> GatewayOrderId:
        """Send one order (3.6); accepted is not filled. ``reducing``.

        It protects or exits, so it uses the exit lane.
        """
        lane = Lane.EXIT if reducing else Lane.PLACE
        reply = await self._write(ep.PLACE, build_place(order), _placed, lane=lane, tag=order.client_order_id)
        placed_id = order_id(reply)
        if placed_id is None:
            raise OutcomeUnknown(
                "accepted without a readable order id", endpoint=ep.PLACE.path, client_order_id=order.client_order_id
            )
        return GatewayOrderId(placed_id)

    async def cancel(self, account_id: AccountId, gateway_order_id: GatewayOrderId) -> None:
        """Ask to cancel (3.8). On any failure read the order and decide from its status."""
        body = requests.AccountAndOrder(account_id=account_id, order_id=gateway_order_id)
        await self._write(ep.CANCEL, body, _plain)

    async def modify(
        self,
        account_id: AccountId,
        gateway_order_id: GatewayOrderId,
        *,
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail_price: Decimal | None = None,
    ) -> None:
        """Change what is given, absolute values (3.8); the rest stays. New values show only in the next order event.

        trail_price: the level a trailing stop trails from, from now on at its distance to the last trade. The gateway
        takes any, with no maximum (3.6), so never a value that was read: those are distances.
        """
        assert {qty, limit_price, stop_price, trail_price} != {None}, "a modify changes something"
        body = requests.ModifyOrder(
            account_id=account_id,
            order_id=gateway_order_id,
            size=qty,
            limit_price=limit_price,
            stop_price=stop_price,
            trail_price=trail_price,
        )
        await self._write(ep.MODIFY, body, _plain)

    async def close_position(self, account_id: AccountId, contract_id: ContractId) -> None:
        """Market order for the whole position; stop and target may stay working (3.9)."""
        body = requests.AccountAndContract(account_id=account_id, contract_id=contract_id)
        await self._write(ep.CLOSE, body, _plain)

    async def close_partially(self, account_id: AccountId, contract_id: ContractId, qty: int) -> None:
        """Market order for ``qty`` contracts of the position; never resizes brackets (3.9)."""
        assert qty > 0, "at least one contract"
        body = requests.PartialClose(account_id=account_id, contract_id=contract_id, size=qty)
        await self._write(ep.PARTIAL_CLOSE, body, _plain)

    # -- state of an account: one request each, whatever it holds; never shared, a caller wants what is true now -------

    async def positions(self, account_id: AccountId, *, urgent: bool = False) -> list[VenuePosition]:
        """Open positions, one per contract; flat is no row (3.9)."""
        body = requests.OfAccount(account_id=account_id)
        reply = await self._read(ep.POSITIONS, body, _positions, urgent=urgent)
        rows = [row.to_core() for row in proven(reply.positions, "positions")]
        return [row for row in _own(rows, account_id) if row.qty]

    async def working_orders(self, account_id: AccountId, *, urgent: bool = False) -> list[VenueOrder]:
        """Every order that may still trade, legs waiting for their entry included (v2/query, 3.8).

        Raises ProtocolError when the page is provably or possibly not the whole list.
        """
        query = requests.OrderFilter(account_id=account_id, statuses=_WORKING)
        body = requests.QueryOrders(filter=query, page_size=_PAGE, page_offset=0, include_total_count=True)
        reply = await self._read(ep.QUERY_ORDERS, body, _orders, urgent=urgent)
        rows = proven(reply.orders, "orders")
        if reply.total_count is None and len(rows) >= _PAGE:
            raise ProtocolError(f"{ep.QUERY_ORDERS.path}: a full page without totalCount: nothing is proven")
        if reply.total_count is not None and reply.total_count > len(rows):
            raise ProtocolError(f"{ep.QUERY_ORDERS.path}: incomplete, {len(rows)} of {reply.total_count} orders")
        return [order for order in _own([row.to_core() for row in rows], account_id) if order.status.is_working]

    async def open_orders(self, account_id: AccountId, *, urgent: bool = False) -> list[VenueOrder]:
        """What ``Order/searchOpen`` shows (3.8): status open only, legs that wait for their entry are missing (3.7).

        To know what may still trade ask :meth:`working_orders`.
        """
        body = requests.OfAccount(account_id=account_id)
        reply = await self._read(ep.OPEN_ORDERS, body, _orders, urgent=urgent)
        return _own([row.to_core() for row in proven(reply.orders, "orders")], account_id)

    async def orders_since(
        self, account_id: AccountId, since: datetime, until: datetime | None = None, *, urgent: bool = False
    ) -> list[VenueOrder]:
        """Orders of any status created in the window; suspended legs may be missing (3.7, 3.8)."""
        body = requests.InWindow(account_id=account_id, start_timestamp=since, end_timestamp=until)
        reply = await self._read(ep.SEARCH_ORDERS, body, _orders, urgent=urgent)
        return _own([row.to_core() for row in proven(reply.orders, "orders")], account_id)

    async def order(
        self, account_id: AccountId, gateway_order_id: GatewayOrderId, *, urgent: bool = False
    ) -> VenueOrder | None:
        """One order by id, suspended ones included (searchById); None: unknown."""
        body = requests.AccountAndOrder(account_id=account_id, order_id=gateway_order_id)
        try:
            reply = await self._read(ep.ORDER, body, _order, urgent=urgent)
        except Refused as exc:
            if exc.code == 1:
                return None
            raise
        if reply.order is None:
            raise ProtocolError(f"{ep.ORDER.path}: success without an order")
        return reply.order.to_core()

    async def fills_since(self, account_id: AccountId, since: datetime, *, urgent: bool = False) -> list[Fill]:
        """Our executions since ``since``, oldest first; voided ones are kept and say so (3.10)."""
        body = requests.InWindow(account_id=account_id, start_timestamp=since)
        reply = await self._read(ep.TRADES, body, _trades, urgent=urgent)
        fills = _own([row.to_core() for row in proven(reply.trades, "trades")], account_id)
        return sorted(fills, key=lambda fill: (fill.ts_event, fill.fill_id))


def _own(rows: list[_T], account_id: AccountId) -> list[_T]:
    """The rows, if all belong to the account that was asked for."""
    for row in rows:
        owner = getattr(row, "account_id", None)
        if owner != account_id:
            raise ProtocolError(f"asked for account {account_id}, got a row of {owner}")
    return rows
