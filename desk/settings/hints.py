"""Sentences about settings that are legal and yet look unintended. They stand above the start banner."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from desk.settings.kinds import is_loopback

__all__ = ["hints_for"]


def hints_for(values: Mapping[str, Any], given: Collection[str]) -> tuple[str, ...]:
    """values: by field name, complete. given: the keys that somebody set."""
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
    return tuple(text for text, holds in hints.items() if holds)
