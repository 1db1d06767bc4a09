"""Fills to make a story of, with the gateway's P&L worked out by hand or by a venue of a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import strategies as st

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, FillId, GatewayOrderId
from desk.core.plans import ExitReason
from desk.core.records import FillRecorded, PositionClosed
from desk.core.words import Contract, Fill, Side

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
ACCOUNT = AccountId(7001)
CAUSE = CauseId("01KA0000000000000000000001")
VENUE = CauseId("venue")
ENTRY = ClientOrderId("dsk-entry")
FEE, COMMISSION = Decimal("0.36"), Decimal("0.25")


def _contract(contract_id: str, name: str, tick_size: str, tick_value: str) -> Contract:
    return Contract(
        contract_id=ContractId(contract_id),
        name=name,
        description=name,
        tick_size=Decimal(tick_size),
        tick_value=Decimal(tick_value),
        symbol_id=contract_id[4:-4],
        is_active=True,
    )


MNQ = _contract("CON.F.US.MNQ.Z26", "MNQZ6", "0.25", "0.50")
CL = _contract("CON.F.US.CLE.F27", "CLF7", "0.01", "10")
YEN = _contract("CON.F.US.JY6.Z26", "6JZ6", "0.0000005", "6.25")
CONTRACTS = {contract.contract_id: contract for contract in (MNQ, CL, YEN)}


def fill(
    number: int,
    side: str,
    qty: int,
    price: str | Decimal,
    gross: str | Decimal | None = None,
    *,
    after_s: float | None = None,
    contract: Contract = MNQ,
    account: AccountId = ACCOUNT,
    tag: ClientOrderId | None = ENTRY,
    cause: CauseId = CAUSE,
    recorded_s: float | None = None,
    order: int | None = None,
    voided: bool = False,
) -> FillRecorded:
    """One fill of one minute after another; fees and commissions are an MNQ's per contract."""
    seconds = number * 60 if after_s is None else after_s
    made = Fill(
        fill_id=FillId(number),
        account_id=account,
        contract_id=contract.contract_id,
        gateway_order_id=GatewayOrderId(number if order is None else order),
        side=Side(side),
        qty=qty,
        price=Decimal(price),
        gross_pnl=None if gross is None else Decimal(gross),
        fees=FEE * qty,
        commissions=COMMISSION * qty,
        ts_event=T0 + timedelta(seconds=seconds),
        voided=voided,
    )
    recorded = T0 + timedelta(seconds=seconds if recorded_s is None else recorded_s)
    return FillRecorded(cause=cause, fill=made, client_order_id=tag, ts=recorded)


def closed(
    after_s: float, qty: int = 1, reason: ExitReason = ExitReason.STOP, cause: CauseId = CAUSE, contract: Contract = MNQ
) -> PositionClosed:
    return PositionClosed(
        cause=cause,
        account_id=ACCOUNT,
        contract_id=contract.contract_id,
        qty=qty,
        avg_price=Decimal("21000"),
        reason=reason,
        ended_by=None,
        ts=T0 + timedelta(seconds=after_s),
    )


def without_pnl(records: Sequence[FillRecorded]) -> list[FillRecorded]:
    """As if the gateway had told no P&L."""
    return [
        msgspec.structs.replace(record, fill=msgspec.structs.replace(record.fill, gross_pnl=None)) for record in records
    ]


class Venue:
    """The gateway's own book: average price, P&L of each closing fill, two rows for a reversal. In ticks, exact."""

    def __init__(self, contract: Contract, account: AccountId) -> None:
        self.contract, self.account = contract, account
        self.qty = 0  # signed
        self.ticks = 0  # what is held, times its prices in ticks; signed
        self.rows: list[FillRecorded] = []

    def trade(self, number: int, change: int, price_ticks: int) -> None:
        """change: signed contracts. Raises ValueError for a partial close whose P&L has no finite decimals."""
        closing = change if abs(change) <= abs(self.qty) else -self.qty
        if self.qty * change < 0:
            share, rest = divmod(self.ticks * -closing, self.qty)
            if rest:
                raise ValueError("an average between two ticks")
            self._row(number, closing, price_ticks, share + closing * price_ticks)
            self.qty += closing
            self.ticks -= share
            change, number = change - closing, number + 1
        if change:
            self._row(number, change, price_ticks, None)
            self.qty += change
            self.ticks += change * price_ticks

    def _row(self, number: int, change: int, price_ticks: int, cost_ticks: int | None) -> None:
        gross = None if cost_ticks is None else -cost_ticks * self.contract.tick_value
        side = "buy" if change > 0 else "sell"
        price = price_ticks * self.contract.tick_size
        tag = ENTRY if self.account == ACCOUNT else None
        row = fill(
            number, side, abs(change), price, gross, after_s=number // 10, contract=self.contract, account=self.account,
            tag=tag,
        )  # fmt: skip
        self.rows.append(row)


@st.composite
def streams(draw: st.DrawFn) -> list[FillRecorded]:
    """What a gateway could report for two accounts and three contracts, from flat on, oldest first."""
    venues = [Venue(c, a) for c in CONTRACTS.values() for a in (ACCOUNT, AccountId(7002))]
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(venues),
                st.sampled_from([-5, -3, -2, -1, 1, 2, 3, 5]),
                st.integers(80_000, 80_400),
            ),
            max_size=25,
        )
    )
    for i, (venue, change, price_ticks) in enumerate(steps):
        try:
            venue.trade(10 * i, change, price_ticks)
        except ValueError:
            continue
    return sorted((row for venue in venues for row in venue.rows), key=lambda row: row.fill.fill_id)
