"""Sentences about settings that are legal and yet look unintended. They stand above the start banner."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from desk.settings.kinds import is_loopback
from desk.settings.table import SETTINGS

__all__ = ["hints_for"]

_AS_GOOD_AS_THE_SAME = 0.9  # of difflib: one letter more, less or changed places,
_LONG = 8  # in a name that nobody else has by chance


def hints_for(values: Mapping[str, Any], given: Collection[str]) -> tuple[str, ...]:
    """values: by field name, complete. given: the keys that somebody set, strangers of the real environment included."""
    is_live = values["trading_mode"] == "live"
    is_behind_tunnel = is_loopback(values["webhook_host"])
    is_blind = values["webhook_allowed_ips"] is not None and values["webhook_proxy_header"] is None
    hints = {
        "Credentials are set and not used: this is paper mode. TRADING_MODE=live logs in with them.": (
            not is_live and "PROJECT_X_API_KEY" in given
        ),
        "PAPER_GATEWAY_URL has no effect in live mode.": is_live and "PAPER_GATEWAY_URL" in given,
        "FOREIGN_STOP_TICKS has no effect: FOREIGN_POSITIONS=protect places that stop.": (
            values["foreign_positions"] == "show" and "FOREIGN_STOP_TICKS" in given
        ),
        "TP1_FRACTION has no effect: CLOSE_ENTIRE_POSITION_AT_TP1=true takes the whole position there.": (
            values["close_entire_position_at_tp1"] and "TP1_FRACTION" in given
        ),
        "Every alert that comes through a tunnel is refused with 404, for it seems to come from this computer: set "
        "WEBHOOK_PROXY_HEADER to the header in which the tunnel names the sender, or WEBHOOK_ALLOWED_IPS=any.": (
            is_live and is_behind_tunnel and is_blind
        ),
    }
    return tuple(text for text, holds in hints.items() if holds) + _mistyped(given)


def _mistyped(given: Collection[str]) -> tuple[str, ...]:
    """In the file such a name is refused; in the real environment it may be another program's."""
    keys = {row.key for row in SETTINGS}
    strangers = [name for name in given if len(name) >= _LONG and name not in keys]
    near = [(name, difflib.get_close_matches(name.upper(), keys, 1, _AS_GOOD_AS_THE_SAME)) for name in strangers]
    return tuple(
        f"{name} stands in the environment and is no setting: did you mean {key[0]}?" for name, key in near if key
    )
