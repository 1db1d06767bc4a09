"""Commands that people know from other TopstepX bots and that are none here: what to write instead, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FORMER_NAMES"]

_ORDER = "A market order is trade MNQ buy 1 stop=80 (or sell); to get out, close MNQ."
_RULES = (
    "The guard for Topstep's rules is not there yet, and live sends no order until it is. accounts shows balances, "
    "trades the result of the day."
)
_FILLS = "Fills are reported as they happen, nothing has to be polled. orders, trades and why show them."
_WATCH = "Positions and their stops are guarded all the time. monitor compares them with the gateway now."
_STRATEGIES = (
    "There are no strategies inside: signals come as alerts. bots shows the bots that take them, pause and arm stop and "
    "start one, explain says what an alert would do."
)

FORMER_NAMES: Mapping[str, str] = {
    "buy": _ORDER,
    "sell": _ORDER,
    "long": _ORDER,
    "short": _ORDER,
    "account_info": "accounts shows the accounts with their balances.",
    "account_state": "accounts shows the balances, trades the result of the day, positions what is open.",
    "compliance": _RULES,
    "risk": _RULES,
    "drawdown": _RULES,
    "max_loss": _RULES,
    "metrics": "status shows how the desk is, subscriptions the feeds, cache the history, bots how late alerts came.",
    "check_fills": _FILLS,
    "test_fills": _FILLS,
    "auto_fills": _FILLS,
    "stop_auto_fills": _FILLS,
    "clear_notifications": "No list of announced fills is kept that could be cleared. alerts shows what came.",
    "bracket_monitor": _WATCH,
    "activate_monitor": _WATCH,
    "deactivate_monitor": _WATCH,
    "strategies": _STRATEGIES,
    "strategy_start": _STRATEGIES,
    "strategy_stop": _STRATEGIES,
    "strategy_status": _STRATEGIES,
    "strategy_test": _STRATEGIES,
    "strategy_execute": _STRATEGIES,
}
