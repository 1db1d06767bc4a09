"""``flatten``: asks, requests it from the engine, and waits until it is proven. Verified flat means no position and no
working order; anything else is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from desk.core.errors import StoreError, Unavailable
from desk.core.events import FlattenRequested
from desk.core.ids import AccountId, ContractId
from desk.core.records import VerdictKind
from desk.core.symbols import parse_symbol
from desk.core.words import Contract
from desk.engine.state import State, contracts_in_play
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.arguments import YES, take_apart
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.giving import ask_person
from desk.surfaces.places import account_of_name, find_account
from desk.surfaces.plan_words import account_name
from desk.surfaces.sheet import Line

__all__ = ["FLATTEN_USAGE", "flatten"]

FLATTEN_USAGE = "flatten [SYMBOL|ACCOUNT|all] [account=NAME] [yes]"

WAIT_S = 30.0
_SAY_EVERY_S = 0.5
_SETTLE_S = 2.0  # the hub's last word may come after the plan's end


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is to be flat. None: all of them."""

    account_id: AccountId | None
    contract_id: ContractId | None
    words: str

    def holds(self, account_id: AccountId, contract_id: ContractId | None) -> bool:
        return self.account_id in {None, account_id} and self.contract_id in {None, contract_id}


async def flatten(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """A symbol in every account, an account, a symbol of one account, or everything."""
    has_yes = any(arg.lower() in YES for arg in args)  # wherever it stands: no symbol is called so
    asked = take_apart([arg for arg in args if arg.lower() not in YES], ("account",), FLATTEN_USAGE)
    scope = _scope(desk, asked.of_length(0, 1), asked.options.get("account"))
    answer = await ask_person(caller, f"Flatten {scope.words}: {_held_words(desk, scope)}.", has_yes=has_yes)
    return answer if answer is not None else await _flatten(desk, scope, caller)


def _scope(desk: Desk, words: Sequence[str], account: str | None) -> _Scope:
    account_id = find_account(desk, account) if account is not None else None
    word = words[0] if words else "all"
    named = account_of_name(desk, word)
    if named is not None and account_id not in {None, named}:
        raise BadCall(f"two accounts: which one is meant? Write {FLATTEN_USAGE}")
    account_id = named if named is not None else account_id
    contract = None if named is not None or word.lower() == "all" else _month(desk, word, account_id)
    what = "everything" if contract is None else f"all {contract.name}"
    where = f" in {account_name(desk, account_id)}" if account_id is not None else ""
    return _Scope(account_id, None if contract is None else contract.contract_id, what + where)


def _month(desk: Desk, word: str, account_id: AccountId | None) -> Contract:
    """The contract of a symbol; of one without a month the older one that is still open, where it is not the active one."""
    active = desk.contract(word)
    if parse_symbol(word).month is not None:
        return active
    accounts = [account_id] if account_id is not None else sorted(desk.state.accounts)
    open_ids = {c for account in accounts for c in contracts_in_play(desk.state, account)}
    months = [c for c in desk.catalogue.values() if c.symbol_id == active.symbol_id and c.contract_id in open_ids]
    if len(months) > 1:
        names = " and ".join(sorted(month.name for month in months))
        raise BadCall(f"{word} is open in {names}: which one is meant? flatten all takes both")
    return months[0] if months else active


async def _flatten(desk: Desk, scope: _Scope, caller: Caller) -> CommandResult:
    request = FlattenRequested(
        cause=desk.new_cause(),
        account_id=scope.account_id,
        contract_id=scope.contract_id,
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
    caller.say(f"Flattening {scope.words} as {request.cause}.")
    is_flat = await _watch(desk, scope, (verdict.plan_id or "").split(), caller)
    left = _left(desk, scope)
    data |= {"is_flat": is_flat, "left": left}
    if is_flat:
        text = "Verified flat: no position and no working order."
        return CommandResult(True, data, (Line(text, "green"), Line(f"why {request.cause}", "dim")))
    lines = [Line("NOT FLAT YET. The daemon goes on until it is; this is left:", "bold red")]
    lines += [Line(f"  {text}") for text in left or ["nothing that is known, but the gateway did not confirm it yet"]]
    lines.append(Line(f"positions and orders show it, why {request.cause} tells what was tried."))
    return CommandResult(False, data, tuple(lines))


async def _watch(desk: Desk, scope: _Scope, plan_ids: list[str], caller: Caller) -> bool:
    """Waits for the plans to end with nothing left, telling each change. False: not within the time."""
    loop = asyncio.get_running_loop()
    deadline, ended_at, said = loop.time() + WAIT_S, None, ("", "")

    def is_flat(state: State) -> bool:
        return not any(plan in state.plans for plan in plan_ids) and not _left(desk, scope)

    while not await desk.until(is_flat, _SAY_EVERY_S):
        now, doing = loop.time(), _doing(desk, scope)
        if doing != said:
            caller.say("\n".join(text for text, before in zip(doing, said, strict=True) if text != before))
            said = doing
        if any(plan in desk.state.plans for plan in plan_ids):
            ended_at = None
        elif ended_at is None:
            ended_at = now
        if now >= deadline or (ended_at is not None and now - ended_at >= _SETTLE_S):
            return False
    return True


def _doing(desk: Desk, scope: _Scope) -> tuple[str, str]:
    """The steps of the exits, and what is left."""
    names = {account.account_id: account.name for account in view.view_accounts(desk)}
    steps = sorted(
        f"  {plan.symbol} in {names.get(plan.account_id, plan.account_id)}: {plan.step}"
        for plan in view.view_plans(desk)
        if plan.kind == "exit" and scope.holds(plan.account_id, plan.contract_id)
    )
    left = [f"  left: {text}" for text in _left(desk, scope)] or ["  left: nothing"]
    return "\n".join(steps or ["  reading what the gateway holds"]), "\n".join(left)


def _left(desk: Desk, scope: _Scope) -> list[str]:
    """What keeps this from being flat, in words."""
    held = [p for p in view.view_positions(desk) if scope.holds(p.account_id, p.contract_id)]
    working = [o for o in view.view_orders(desk) if scope.holds(o.account_id, o.contract_id)]
    left = [f"{p.symbol} {p.qty:+d} in {p.account}" for p in held]
    left += [f"{o.symbol} {o.role} order {o.gateway_order_id or o.tag} {o.state} in {o.account}" for o in working]
    waiting = [w for w in view.view_waiting(desk) if scope.holds(w.account_id, w.contract_id)]
    return left + [f"{w.symbol} {w.side} {w.qty} that waits for its price in {w.account}" for w in waiting]


def _held_words(desk: Desk, scope: _Scope) -> str:
    held = [p for p in view.view_positions(desk) if scope.holds(p.account_id, p.contract_id)]
    working = sum(1 for o in view.view_orders(desk) if scope.holds(o.account_id, o.contract_id))
    positions = ", ".join(f"{p.symbol} {p.qty:+d} in {p.account}" for p in held) or "no position is known"
    return f"{positions}, {working} working order{'' if working == 1 else 's'}"
