"""``python trading_bot.py explain FILE``: from the running desk where there is one, else from the settings alone.

Without the desk nobody knows the position, the account or the price: they are assumed, and every assumption is said. Where
even that is not enough the answer is unknown.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

import msgspec

from desk.alerts import read_body
from desk.bots import BotConfig
from desk.bots.setup import BotSetup
from desk.core.errors import UnknownSymbol
from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.records import AccountChanged, AccountReconciled
from desk.core.secret import Secret
from desk.core.symbols import parse_symbol, resolve
from desk.core.words import Account, Contract, Quote
from desk.engine import Context, State, fold
from desk.gateway.wire import WireContract
from desk.risk import Reason
from desk.settings.table import Settings
from desk.store import load_or_make_token
from desk.surfaces.calls import BadCall
from desk.surfaces.console import print_page
from desk.surfaces.explain import MAX_TEXT, Explained, Explanation, explained
from desk.surfaces.explain_command import bot_named
from desk.surfaces.explain_page import explained_page
from desk.surfaces.explain_rules import Answer, Finding
from desk.surfaces.sheet import Line, Page

__all__ = ["Asked", "ask_desk", "explain_file", "explained_offline"]

_TIMEOUT_S = 5.0
_CAUSE = CauseId("explain")
_NO_PRICE = 'no price is known without the running desk; give the alert a "price" to see its distances'


def explain_file(settings: Settings, file: str, bot: str | None, paper_contracts: Callable[[], bytes]) -> int:
    """Prints the explanation and who gave it. Returns 0. Makes no file, takes no lock, sends nothing to the gateway.

    paper_contracts: the simulated gateway's list in the gateway's JSON, for when no desk runs. Raises BadCall and StoreError.
    """
    text = _text_of(file, sys.stdin)
    token = settings.api_token
    if token is None and (settings.data_dir / "api.token").exists():  # explaining makes none
        token = load_or_make_token(settings.data_dir, "api")
    asked = ask_desk(settings.api_port, token, text, bot)
    if asked.text is not None:
        _show(tuple(Line(text) for text in (*asked.text.splitlines(), asked.note)), no_color=True)
        return 0
    contracts = [row.to_core() for row in msgspec.json.decode(paper_contracts(), type=list[WireContract])]
    is_shadow = settings.trading_mode == "live"
    told = explained_offline(
        text,
        {setup.name: _with_account(setup, is_paper=not is_shadow) for setup in settings.bots},
        bot,
        contracts,
        datetime.now(UTC),
        is_shadow=is_shadow,
        secrets=[setup.token for setup in settings.bots if setup.token is not None],
    )
    page = explained_page(told, contracts, None)
    note = Line(f"{asked.note} Explained from the settings alone.")
    _show((*page, note), no_color=settings.no_color)
    return 0


def _show(page: Page, *, no_color: bool) -> None:
    """Whoever reads it may leave before the end, as ``head`` does."""
    try:
        print_page(page, no_color=no_color)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # nothing is left to fail at the end of the program


def _with_account(setup: BotSetup, *, is_paper: bool) -> BotConfig:
    """Which account it is only the gateway knows; any will do where nothing is sent."""
    account_id = setup.account if isinstance(setup.account, int) else 0
    return replace(setup.config, account_id=AccountId(account_id), takes_delayed_data=is_paper)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the running desk said. text: None where none answered. note: for a person, who was asked."""

    text: str | None
    note: str


def ask_desk(port: int, token: Secret | None, text: str, bot: str | None) -> Asked:
    """``POST /api/explain`` of the desk on this computer. Raises BadCall for what it refuses, such as an unknown bot."""
    where = f"http://127.0.0.1:{port}"
    if token is None or port == 0:
        why = "API_PORT is 0, so nobody knows its port" if token is not None else "DATA_DIR has no api.token yet"
        return Asked(None, f"No running desk was asked ({why}).")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        body = json.dumps({"text": text, "bot": bot})
        headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"}
        connection.request("POST", "/api/explain", body, headers)
        reply = connection.getresponse()
        status, answer = reply.status, reply.read()
    except (OSError, http.client.HTTPException) as nobody:
        return Asked(None, f"No desk answers at {where} ({str(nobody) or type(nobody).__name__}).")
    finally:
        connection.close()
    return _understood(status, answer, where)


def _understood(status: int, answer: bytes, where: str) -> Asked:
    try:
        said = json.loads(answer)
    except ValueError:
        said = None
    if isinstance(said, dict) and status == http.HTTPStatus.OK and isinstance(said.get("text"), str):
        return Asked(said["text"], f"Asked the running desk at {where}.")
    if isinstance(said, dict) and status == http.HTTPStatus.BAD_REQUEST and "error" in said:
        raise BadCall(f"The running desk at {where} says: {said['error']}")
    return Asked(
        None, f"Something answers at {where} with status {status}, and it is not this desk or takes another token."
    )


def explained_offline(
    text: str,
    bots: Mapping[str, BotConfig],
    bot: str | None,
    contracts: Sequence[Contract],
    now: datetime,
    *,
    is_shadow: bool,
    secrets: Collection[Secret] = (),
) -> Explained:
    """contracts: of which months and ticks are taken. Every bot's account counts as flat, reconciled and allowed to trade.

    Raises BadCall for a bot that does not exist and a text that no door would take.
    """
    if len(text.encode("utf-8", "replace")) > MAX_TEXT:
        raise BadCall(f"The text is longer than {MAX_TEXT // 1024} KiB; the door would refuse it, too")
    known = {contract.contract_id: contract for contract in contracts}
    ctx = Context(now=now, bots=bots, contracts=known, is_shadow=is_shadow)
    config = bot_named(ctx, bot)
    quote = _quote(text, config, contracts, now)
    if quote is not None:
        ctx = replace(ctx, quote=lambda contract_id: quote if contract_id == quote.contract_id else None)
    assumed = (
        "the account agrees with the gateway, may trade, and is flat without working orders",
        f"contract month and tick of the paper gateway's list of {now:%Y-%m-%d}; the gateway's own list decides",
        f"the market is at the alert's own price, {quote.last:f}" if quote is not None else "no price: what needs one is unknown",
    )  # fmt: skip
    told = explained(text, config, _flat(bots, now), ctx, secrets, assumed)
    return replace(told, messages=tuple(map(_without_price, told.messages)))


def _text_of(name: str, standard_input: TextIO) -> str:
    """``-`` is standard input. At most one byte more than a door takes, whatever the bytes are. Raises BadCall."""
    try:
        if name == "-":
            return standard_input.buffer.read(MAX_TEXT + 1).decode("utf-8", "replace")
        with Path(name).open("rb") as file:
            return file.read(MAX_TEXT + 1).decode("utf-8", "replace")
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise BadCall(f"{name[:200]!a} cannot be read: {why}. - reads standard input") from problem


def _flat(bots: Mapping[str, BotConfig], now: datetime) -> State:
    records: list[AccountChanged | AccountReconciled] = []
    for account_id in dict.fromkeys(bot.account_id for bot in bots.values() if bot.account_id is not None):
        records.append(AccountChanged(cause=_CAUSE, account=_account(account_id), ts=now))
        records.append(AccountReconciled(cause=_CAUSE, account_id=account_id, differences=(), ts=now))
    return fold(State(), records)


def _account(account_id: AccountId) -> Account:
    return Account(account_id=account_id, name="the account, as assumed below,", balance=Decimal(0), can_trade=True)


def _quote(text: str, bot: BotConfig, contracts: Sequence[Contract], now: datetime) -> Quote | None:
    """The first price that a message of the body names, as the market of its contract."""
    for alert in read_body(text.encode("utf-8", "replace"), (), lambda _: bot.dialect).alerts:
        if alert.price is None or alert.symbol is None:
            continue
        try:
            contract_id: ContractId = resolve(parse_symbol(alert.symbol), contracts).contract_id
        except UnknownSymbol:
            continue
        price = alert.price
        return Quote(
            contract_id=contract_id, bid=price, ask=price, last=price, volume=None, ts_event=now, ts_recv=now
        )  # fmt: skip
    return None


def _without_price(message: Explanation) -> Explanation:
    """A no for want of a quote is only the want of the running desk; another no stays one."""
    rules = tuple(_unpriced(rule) for rule in message.rules)
    if message.reason != Reason.NO_QUOTE:
        return replace(message, rules=rules)
    no = next((rule for rule in rules if rule.answer is Answer.FAIL), None)
    if no is not None:
        return replace(message, rules=rules, reason=no.reason, text=f"{no.rule}: {no.text}")
    return replace(message, rules=rules, verdict="unknown", reason="", text=_NO_PRICE)


def _unpriced(rule: Finding) -> Finding:
    return rule if rule.reason != Reason.NO_QUOTE else Finding(rule.rule, Answer.UNKNOWN, "", _NO_PRICE)
