"""How many contracts, and how many of them for each target. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from desk.bots.config import BotConfig
from desk.bots.words import CannotHave
from desk.core.alert import Alert, TargetSpec
from desk.core.words import Contract
from desk.risk import Reason

__all__ = [
    "COMPUTED",
    "RISK_MODES",
    "Yardstick",
    "goal_size",
    "needs_stop",
    "position_limit",
    "shares_of",
    "size_of",
    "whole",
]

RISK_MODES = frozenset({"risk_usd", "risk_pct"})
COMPUTED = RISK_MODES | {"factor", "equity_pct", "position_pct", "notional_usd"}
_BEYOND = Decimal(10) ** 13  # of any size or sum; keeps the arithmetic exact


def whole(value: Decimal) -> int | None:
    return int(value) if value.is_finite() and value == value.to_integral_value() else None


def position_limit(alert: Alert, bot: BotConfig) -> int:
    """Contracts of one instrument: the bot's, or the message's where that is tighter."""
    ceiling = alert.policy.max_position
    return bot.max_position if ceiling is None else min(bot.max_position, int(max(ceiling, Decimal(0))))


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a size is computed from. None: not known, and a size that needs it is refused by name.

    stop_ticks: what one contract risks. price: at which the entry is expected. balance: of the account, USD. held: contracts
    that are there already, entries under way included.
    """

    contract: Contract
    stop_ticks: int | None = None
    price: Decimal | None = None
    balance: Decimal | None = None
    held: int = 0


def goal_size(size: Decimal | None, prev_size: Decimal | None, bot: BotConfig, held: int) -> int | None:
    """Contracts that this bot shall hold where its sender's strategy holds ``size``. held: on that side, at least 0.

    None: only the side is the goal, because the sender gives no size or the bot counts differently (sizing fixed and risk_usd);
    of such a position the sender's share goes when the sender's gets smaller. Raises CannotHave.
    """
    if size is None:
        return None
    exact = whole(size)
    if exact is None or exact < 1:
        raise CannotHave(Reason.BAD_SIZE, f"position.size {size}: whole contracts, at least 1")
    match bot.sizing.mode:
        case "as_sent":
            return exact
        case "factor":
            return int(exact * _factor(bot))
        case _:
            prev = None if prev_size is None else whole(prev_size)
            is_less = prev is not None and exact < prev and held > 0
            return held - share_to_close(prev, exact, bot, held) if is_less and prev is not None else None


def share_to_close(prev: int, now: int, bot: BotConfig, held: int) -> int:
    """Contracts that go when the sender's strategy goes from ``prev`` down to ``now`` on one side (signed or not).

    As many as it closed; where the bot counts differently than its sender, the same share of what is held, rounded up: one
    contract goes at the first partial exit, as it goes at the first target.
    """
    prev, now = abs(prev), abs(now)
    return prev - now if bot.sizing.mode == "as_sent" else held - held * now // prev


def needs_stop(alert: Alert, bot: BotConfig, goal: int | None) -> bool:
    """The stop's distance comes before the size."""
    if bot.sizing.mode == "risk_usd":
        return goal is None
    return bot.sizing.mode != "fixed" and goal is None and alert.qty.mode in RISK_MODES


def size_of(alert: Alert, bot: BotConfig, by: Yardstick, goal: int | None, warnings: list[str]) -> int:
    """Contracts to enter, or those of the position that is the goal. Rounded down; less than one is refused, never made one.

    What the message computes is cut to its own maximum, what the bot computes to every limit; a number that the message
    names and that is too large is refused. Raises CannotHave.
    """
    limit, most = position_limit(alert, bot), alert.qty.max
    if goal is not None:
        size: int | None = goal
    elif bot.sizing.mode in {"fixed", "risk_usd"} or (bot.sizing.mode == "factor" and alert.qty.value is not None):
        size = _of_bot(alert, bot, by, warnings)
        size = _cut(size, limit if most is None else min(Decimal(limit), most), f"sizing {bot.sizing.mode}", warnings)
    elif alert.qty.mode in COMPUTED:
        size = _of_message(alert, bot, by)
        if most is not None and most >= 1:
            size = _cut(size, most, f"qty {alert.qty.mode} {alert.qty.value}", warnings)
    else:
        size = bot.default_qty if alert.qty.value is None else whole(alert.qty.value)
    if size is None or size < 1:
        raise CannotHave(
            Reason.BAD_SIZE, f"qty {alert.qty.value if goal is None else goal}: whole contracts, at least 1"
        )
    if most is not None and size > most:
        raise CannotHave(Reason.BAD_SIZE, f"qty {size} is above the message's own maximum {most}")
    if size > limit:
        text = f"qty {size}: allowed is a position of {limit} contracts (MAX_POSITION_SIZE, policy.max_position)"
        raise CannotHave(Reason.MAX_POSITION, text)
    return size


def _cut(size: int, most: Decimal | int, what: str, warnings: list[str]) -> int:
    if size <= most:
        return size
    warnings.append(f"{what} is {size} contracts, cut to the maximum {most}")
    return int(most)


def _of_bot(alert: Alert, bot: BotConfig, by: Yardstick, warnings: list[str]) -> int:
    """The bot's own rule. What the message says instead is not dropped silently."""
    sizing, qty = bot.sizing, alert.qty
    if sizing.mode == "factor":
        sent = _of_message(alert, bot, by) if qty.mode in COMPUTED else _whole(qty.value)
        return _at_least_one(sent * _factor(bot), f"{sent} contracts times {sizing.value} (sizing factor)")
    if qty.value is not None:
        warnings.append(f"qty {qty.mode} {qty.value} is not used: the bot's sizing is {sizing.mode}")
    if sizing.mode == "fixed":
        return bot.default_qty
    risk = _risk_per_contract(by, "sizing risk_usd")
    budget = sizing.value or Decimal(0)
    return _at_least_one(budget // risk, f"sizing risk_usd {budget} with a stop that risks {risk} USD per contract")


def _factor(bot: BotConfig) -> Decimal:
    return bot.sizing.value if bot.sizing.value is not None else Decimal(1)


def _whole(value: Decimal | None) -> int:
    size = None if value is None else whole(value)
    if size is None or size < 1:
        raise CannotHave(Reason.BAD_SIZE, f"qty {value}: whole contracts, at least 1")
    return size


def _of_message(alert: Alert, bot: BotConfig, by: Yardstick) -> int:
    """What the message asks to be computed (TradingView reference 11)."""
    mode, value = alert.qty.mode, alert.qty.value
    if value is None or not value.is_finite() or not 0 < value <= _BEYOND:
        raise CannotHave(Reason.BAD_SIZE, f"qty {value}: a number above 0")
    match mode:
        case "factor":
            return _at_least_one(value * bot.default_qty, f"qty factor {value} of {bot.default_qty} (POSITION_SIZE)")
        case "position_pct":
            if not by.held:
                raise CannotHave(
                    Reason.BAD_SIZE, f"qty position_pct {value}: nothing is held that it could be a share of"
                )
            return _at_least_one(value * by.held / 100, f"qty position_pct {value} of {by.held}")
        case "risk_usd" | "risk_pct":
            usd = value if mode == "risk_usd" else value * _balance(by, mode) / 100
            risk = _risk_per_contract(by, f"qty {mode}")
            text = f"qty {mode} {value}{_in_usd(usd, mode)} with a stop that risks {risk} USD per contract"
            return _at_least_one(usd // risk, text)
        case _:
            usd = value if mode == "notional_usd" else value * _balance(by, mode) / 100
            worth = _worth(by, mode)
            text = f"qty {mode} {value}{_in_usd(usd, mode)}, and one contract is worth {worth.normalize():f} USD"
            return _at_least_one(usd // worth, text)


def _in_usd(usd: Decimal, mode: str) -> str:
    return "" if mode.endswith("usd") else f" ({usd.quantize(Decimal('0.01'))} USD)"


def _at_least_one(exact: Decimal, text: str) -> int:
    """Rounded down. Quotients come by ``//``, so that no rounding of digits makes a contract."""
    size = int(exact)
    if size < 1:
        raise CannotHave(Reason.BAD_SIZE, f"{text} is less than one contract")
    return size


def _risk_per_contract(by: Yardstick, name: str) -> Decimal:
    """USD that one contract loses at the stop, fees not counted."""
    if not by.stop_ticks:
        raise CannotHave(Reason.BAD_SIZE, f"{name} needs a stop whose distance is known: give points or price")
    return by.stop_ticks * by.contract.tick_value


def _balance(by: Yardstick, mode: str) -> Decimal:
    if by.balance is None or by.balance <= 0:
        raise CannotHave(Reason.BAD_SIZE, f"qty {mode}: the account's balance is not known, or there is none")
    return by.balance


def _worth(by: Yardstick, mode: str) -> Decimal:
    """USD that one contract stands for: price times the value of a point."""
    if by.price is None or by.price <= 0:
        raise CannotHave(Reason.BAD_SIZE, f"qty {mode} needs price, the price that the entry expects")
    return by.price / by.contract.tick_size * by.contract.tick_value


def shares_of(targets: Sequence[TargetSpec], qty: int, warnings: list[str]) -> list[int]:
    """Contracts of each target; what they leave has no target. Their sum is at most ``qty``. Raises CannotHave."""
    if qty == 1 and targets:
        return _first_only(targets, warnings)
    given = [_part_of(target) for target in targets]
    kinds = {kind for kind, _ in given if kind}
    if len(kinds) > 1:
        raise CannotHave(Reason.BAD_SIZE, f"targets: give one of {', '.join(sorted(kinds))}, not several")
    open_ends = [index for index, (kind, _) in enumerate(given) if not kind]
    if open_ends and (open_ends != [len(given) - 1] or kinds == {"qty_ratio"}):
        text = (
            "targets: say how many contracts each one takes, by qty, qty_pct or qty_ratio; only the last takes the rest"
        )
        raise CannotHave(Reason.BAD_SIZE, text)
    parts = [part for kind, part in given if kind]
    shares = _split(kinds.pop() if kinds else "", parts, qty)
    if open_ends:
        shares.append(qty - sum(shares))
        if shares[-1] < 1:
            raise CannotHave(Reason.BAD_SIZE, f"targets: nothing of {qty} contracts is left for the last one")
    warnings += [f"targets[{index}] gets none of {qty} contracts" for index, share in enumerate(shares) if not share]
    return shares


def _first_only(targets: Sequence[TargetSpec], warnings: list[str]) -> list[int]:
    first = targets[0]
    if first.qty is not None and first.qty > 1:
        raise CannotHave(Reason.BAD_SIZE, f"targets[0].qty {first.qty} is more than the 1 contract of the entry")
    if len(targets) > 1:
        warnings.append(f"1 contract: only the first of {len(targets)} targets applies")
    elif first.qty_pct is not None and first.qty_pct < 100:
        warnings.append(f"1 contract: the target takes it whole, not {first.qty_pct} pct")
    return [1] + [0] * (len(targets) - 1)


def _part_of(target: TargetSpec) -> tuple[str, Decimal]:
    for kind, part in (("qty", target.qty), ("qty_pct", target.qty_pct), ("qty_ratio", target.qty_ratio)):
        if part is not None:
            if not part.is_finite() or part <= 0:
                raise CannotHave(Reason.BAD_SIZE, f"targets: {kind} {part}, a number above 0 is wanted there")
            return kind, part
    return "", Decimal(0)


def _split(kind: str, parts: list[Decimal], qty: int) -> list[int]:
    match kind:
        case "qty":
            sizes = [whole(part) for part in parts]
            exact = [size for size in sizes if size is not None]
            if len(exact) < len(sizes) or sum(exact) > qty:
                text = f"targets: qty {' + '.join(map(str, parts))} of {qty} contracts; whole contracts, together at most {qty}"
                raise CannotHave(Reason.BAD_SIZE, text)
            return exact
        case "qty_pct":
            if sum(map(Fraction, parts)) > 100:
                raise CannotHave(Reason.BAD_SIZE, f"targets: qty_pct adds up to {sum(parts)}, at most 100")
            return _largest_remainder([Fraction(part) * qty / 100 for part in parts])
        case "qty_ratio":
            total = sum(map(Fraction, parts))
            return _largest_remainder([Fraction(part) * qty / total for part in parts])
        case _:
            return []


def _largest_remainder(exact: list[Fraction]) -> list[int]:
    """Whole numbers that add up to the whole part of the sum; what is left goes to the biggest fractions, earlier ones first."""
    shares = [int(part) for part in exact]
    left = int(sum(exact)) - sum(shares)
    for index in sorted(range(len(exact)), key=lambda i: (shares[i] - exact[i], i))[:left]:
        shares[index] += 1
    return shares
