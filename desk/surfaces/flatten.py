"""``flatten``: asks, requests it from the engine, and waits until it is proven. Verified flat means no position and no
working order; anything else is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from desk.core.errors import StoreError, Unavailable
from desk.core.events import FlattenRequested
from desk.core.records import VerdictKind
from desk.core.words import Contract
from desk.engine.state import State
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.sheet import Line

__all__ = ["flatten"]

WAIT_S = 30.0
_SAY_EVERY_S = 0.5
_SETTLE_S = 2.0  # the hub's last word may come after the plan's end
_YES = {"yes", "y", "--yes", "-y"}


async def flatten(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``flatten [SYMBOL] [yes]``."""
    symbols = [arg for arg in args if arg.lower() not in _YES]
    if len(symbols) > 1:
        raise BadCall("One symbol, or none for everything. Write flatten MNQ, or flatten")
    contract = desk.contract(symbols[0]) if symbols else None
    what = f"all {contract.name}" if contract is not None else "everything"
    has_said_yes = len(symbols) < len(args)
    question = f"Flatten {what}: {_held_words(desk, contract)}. Really?"
    if caller.confirm is not None and not has_said_yes and not await caller.confirm(question):
        return CommandResult(True, {"verdict": None}, (Line("Nothing was done."),))
    return await _flatten(desk, contract, what, caller)


async def _flatten(desk: Desk, contract: Contract | None, what: str, caller: Caller) -> CommandResult:
    request = FlattenRequested(
        cause=desk.new_cause(),
        account_id=None,
        contract_id=None if contract is None else contract.contract_id,
        by=caller.by,
        ts=desk.clock.now(),
    )
    try:
        verdict = await desk.ask(request)
    except StoreError as error:
        return CommandResult.failed(f"Nothing was done, the journal could not be written: {error}. Try again.")
    except Unavailable as error:
        return CommandResult.failed(f"Nothing was done: {error}")
    data: dict[str, object] = {"command_id": request.cause, "verdict": verdict.kind.value, "text": verdict.text}
    if verdict.kind is not VerdictKind.ACCEPTED:
        return CommandResult(False, data, (Line(f"{verdict.kind.value}: {verdict.text}", "yellow"),))
    caller.say(f"Flattening {what} as {request.cause}.")
    is_flat = await _watch(desk, contract, (verdict.plan_id or "").split(), caller)
    left = _left(desk, contract)
    data |= {"is_flat": is_flat, "left": left}
    if is_flat:
        text = "Verified flat: no position and no working order."
        return CommandResult(True, data, (Line(text, "green"), Line(f"why {request.cause}", "dim")))
    lines = [Line("NOT FLAT YET. The daemon goes on until it is; this is left:", "bold red")]
    lines += [Line(f"  {text}") for text in left or ["nothing that is known, but the gateway did not confirm it yet"]]
    lines.append(Line(f"positions and orders show it, why {request.cause} tells what was tried."))
    return CommandResult(False, data, tuple(lines))


async def _watch(desk: Desk, contract: Contract | None, plan_ids: list[str], caller: Caller) -> bool:
    """Waits for the plans to end with nothing left, telling each change. False: not within the time."""
    loop = asyncio.get_running_loop()
    deadline, ended_at, said = loop.time() + WAIT_S, None, ""

    def is_flat(state: State) -> bool:
        return not any(plan in state.plans for plan in plan_ids) and not _left(desk, contract)

    while not await desk.until(is_flat, _SAY_EVERY_S):
        now, doing = loop.time(), _doing(desk, contract)
        if doing != said:
            said = doing
            caller.say(doing)
        if any(plan in desk.state.plans for plan in plan_ids):
            ended_at = None
        elif ended_at is None:
            ended_at = now
        if now >= deadline or (ended_at is not None and now - ended_at >= _SETTLE_S):
            return False
    return True


def _doing(desk: Desk, contract: Contract | None) -> str:
    names = {account.account_id: account.name for account in view.view_accounts(desk)}
    plans = [
        f"{plan.symbol} in {names.get(plan.account_id, plan.account_id)}: {plan.step}"
        for plan in view.view_plans(desk)
        if plan.symbol is not None and plan.step is not None and _is_in(contract, plan.contract_id)
    ]
    left = ", ".join(_left(desk, contract)) or "nothing"
    return f"  {', '.join(plans) or 'reading what the gateway holds'}; left: {left}"


def _left(desk: Desk, contract: Contract | None) -> list[str]:
    """What keeps this from being flat, in words."""
    held = [p for p in view.view_positions(desk) if _is_in(contract, p.contract_id)]
    working = [o for o in view.view_orders(desk) if _is_in(contract, o.contract_id)]
    left = [f"{p.symbol} {p.qty:+d} in {p.account}" for p in held]
    return left + [f"{o.symbol} {o.role} order {o.gateway_order_id or o.tag} {o.state} in {o.account}" for o in working]


def _held_words(desk: Desk, contract: Contract | None) -> str:
    held = [p for p in view.view_positions(desk) if _is_in(contract, p.contract_id)]
    working = sum(1 for o in view.view_orders(desk) if _is_in(contract, o.contract_id))
    positions = ", ".join(f"{p.symbol} {p.qty:+d} in {p.account}" for p in held) or "no position is known"
    return f"{positions}, {working} working order{'' if working == 1 else 's'}"


def _is_in(contract: Contract | None, contract_id: str | None) -> bool:
    return contract is None or contract.contract_id == contract_id
