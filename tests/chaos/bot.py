"""``trading_bot.main`` itself under a login of its own, with raised rate windows where asked, and points at which it can die.

Neither has a setting, on purpose. A line on standard input names a point; the process kills itself with ``kill -9`` the next
time it gets there. The end of standard input, which is also its parent's end, stops it in order.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trading_bot
from desk.core.orders import OrderState, Role
from desk.core.records import OrderChanged, PlanChanged, Record
from desk.core.secret import Secret
from desk.gateway.client import GatewayClient
from desk.gateway.config import GatewayConfig
from desk.gateway.pacing import PacingConfig
from desk.store.journal import Journal
from load_env import Settings

RAISED = PacingConfig(general_limit=1_000_000, history_limit=1_000_000)
POINTS = ("before commit", "after commit", "before send", "after reply", "after cancel", "after close")
_wanted: set[str] = set()


def _die_at(point: str) -> None:
    if point in _wanted:
        os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def _listen() -> None:
    """Ends with standard input. Reads the descriptor: the lock of ``sys.stdin``, held here, would break an exit."""
    rest = b""
    while chunk := os.read(0, 1024):
        *lines, rest = (rest + chunk).split(b"\n")
        _wanted.update(line.decode() for line in lines)
    os.kill(os.getpid(), signal.SIGTERM)


def _with_points(call: Callable[..., Any], before: str | None, after: str | None) -> Callable[..., Any]:
    async def pointed(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            _die_at(before)
        result = await call(*args, **kwargs)
        if after is not None:
            _die_at(after)
        return result

    return pointed


def _starts_something(records: Sequence[Record]) -> bool:
    """An entry or a plan is decided in this batch: a death around its commit matters."""
    return any(
        isinstance(record, PlanChanged)
        or (
            isinstance(record, OrderChanged)
            and record.order.role is Role.ENTRY
            and record.order.state is OrderState.SUBMITTED
        )
        for record in records
    )


async def _append(journal: Journal, records: Sequence[Record], append: Callable[..., Any]) -> int:
    matters = _starts_something(records)
    if matters:
        _die_at("before commit")
    seq: int = await append(journal, records)
    if matters:
        _die_at("after commit")
    return seq


def _install_points() -> None:
    append = Journal.append
    setattr(Journal, "append", lambda self, records: _append(self, records, append))  # noqa: B010 - a replaced function
    setattr(GatewayClient, "place", _with_points(GatewayClient.place, "before send", "after reply"))  # noqa: B010
    setattr(GatewayClient, "cancel", _with_points(GatewayClient.cancel, None, "after cancel"))  # noqa: B010
    setattr(GatewayClient, "close_position", _with_points(GatewayClient.close_position, None, "after close"))  # noqa: B010


def _as(login: str, raised: bool, function: Callable[[Settings], Any]) -> Callable[[Settings], Any]:
    @asynccontextmanager
    async def changed(settings: Settings) -> AsyncIterator[GatewayConfig]:
        async with function(settings) as config:
            pacing = RAISED if raised else config.pacing
            yield dataclasses.replace(config, username=login, api_key=Secret(login), pacing=pacing)

    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--login", required=True)
    parser.add_argument("--raised", action="store_true", help="rate windows that never hold anything back")
    options, rest = parser.parse_known_args()
    _install_points()
    setattr(trading_bot, "_gateway_config", _as(options.login, options.raised, trading_bot._gateway_config))  # noqa: B010
    threading.Thread(target=_listen, name="input", daemon=True).start()
    return trading_bot.main(rest)


if __name__ == "__main__":
    sys.exit(main())
