"""The words of a command taken apart: what stands by its place, ``name=value`` options, and ``yes`` at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from desk.surfaces.amounts import shown
from desk.surfaces.calls import BadCall

__all__ = ["YES", "Arguments", "take_apart"]

YES = frozenset({"yes", "y", "--yes", "-y"})


@dataclass(frozen=True, slots=True)
class Arguments:
    """``usage`` is what to write, for whoever finds a word missing."""

    words: tuple[str, ...]
    options: Mapping[str, str]
    has_yes: bool
    usage: str

    def of_length(self, least: int, most: int | None = None) -> tuple[str, ...]:
        """The words, if there are as many as there must be. Raises BadCall with the usage."""
        if not least <= len(self.words) <= (least if most is None else most):
            what = "something is missing" if len(self.words) < least else "too many words"
            raise BadCall(f"{what}. Write {self.usage}")
        return self.words


def take_apart(args: Sequence[str], allowed: Collection[str], usage: str, flags: Collection[str] = ()) -> Arguments:
    """allowed: names of options; flags: words such as ``--breakeven``, which become options without a value."""
    words, options = [], {}
    has_yes = bool(args) and args[-1].lower() in YES
    for arg in args[: len(args) - has_yes]:
        name, sign, value = arg.partition("=")
        name = name.lower()
        if not sign and name not in flags:
            words.append(arg)
            continue
        if name not in allowed and name not in flags:
            known = ", ".join(f"{option}=" for option in allowed) or "none"
            raise BadCall(f"{shown(arg)}: there is no option {shown(name)} here. Options: {known}. Write {usage}")
        if name in options:
            raise BadCall(f"{name}= stands there twice: which one is meant?")
        if sign and not value:
            raise BadCall(f"{name}= needs a value. Write {usage}")
        options[name] = value
    return Arguments(tuple(words), options, has_yes, usage)
