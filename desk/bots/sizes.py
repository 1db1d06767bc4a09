"""How many contracts, and how many of them for each target. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from desk.bots.config import BotConfig
from desk.bots.words import CannotHave
from desk.core.alert import Alert, TargetSpec
from desk.core.words import Contract
from desk.risk import Reason

__all__ = ["position_limit", "shares_of", "size_of", "whole"]


def whole(value: Decimal) -> int | None:
    return int(value) if value.is_finite() and value == value.to_integral_value() else None


def position_limit(alert: Alert, bot: BotConfig) -> int:
    """Contracts of one instrument: the bot's, or the message's where that is tighter."""
    ceiling = alert.policy.max_position
    return bot.max_position if ceiling is None else min(bot.max_position, int(max(ceiling, Decimal(0))))


def size_of(
    alert: Alert, bot: BotConfig, contract: Contract, stop_ticks: int | None, goal: int | None, warnings: list[str]
) -> int:
    """Contracts to enter, or those of the position that is the goal. Computed sizes are cut to the message's maximum.

    stop_ticks: only ``risk_usd`` needs it. Raises CannotHave for less than one contract and beyond the limits.
    """
    qty, most = alert.qty, alert.qty.max
    if goal is not None:
        size: int | None = goal
    elif qty.mode in {"factor", "risk_usd"}:
        size = _computed(alert, bot, contract, stop_ticks)
        if most is not None and size > most >= 1:
            warnings.append(f"qty {qty.mode} {qty.value} is {size} contracts, cut to the message's own maximum {most}")
            size = int(most)
    else:
        size = bot.default_qty if qty.value is None else whole(qty.value)
    if size is None or size < 1:
        raise CannotHave(Reason.BAD_SIZE, f"qty {qty.value}: whole contracts, at least 1")
    if most is not None and size > most:
        raise CannotHave(Reason.BAD_SIZE, f"qty {size} is above the message's own maximum {most}")
    limit = position_limit(alert, bot)
    if size > limit:
        text = f"qty {size}: allowed is a position of {limit} contracts (MAX_POSITION_SIZE, policy.max_position)"
        raise CannotHave(Reason.MAX_POSITION, text)
    return size


def _computed(alert: Alert, bot: BotConfig, contract: Contract, stop_ticks: int | None) -> int:
    """Rounded down; nothing left is refused, never rounded up to one."""
    mode, value = alert.qty.mode, alert.qty.value
    if value is None or not value.is_finite() or value <= 0:
        raise CannotHave(Reason.BAD_SIZE, f"qty {value}: a number above 0")
    if mode == "factor":
        size = int(value * bot.default_qty)
        text = f"factor {value} of {bot.default_qty} (POSITION_SIZE)"
    else:
        if not stop_ticks:
            raise CannotHave(Reason.BAD_SIZE, "qty risk_usd needs a stop whose distance is known: give points or price")
        risk = stop_ticks * contract.tick_value
        size = int(value // risk)
        text = f"risk_usd {value} with a stop that risks {risk} USD per contract"
    if size < 1:
        raise CannotHave(Reason.BAD_SIZE, f"qty {text} is less than one contract")
    return size


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
