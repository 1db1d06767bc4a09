"""What starts and stops a bot's entries. Its exits always run."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Switch"]


class Switch(StrEnum):
    """``pause`` and ``resume`` may come from a message or a person, ``arm`` and ``disarm`` from a person alone, ``halt`` from
    the gap detector alone."""

    PAUSE = "pause"
    RESUME = "resume"
    ARM = "arm"
    DISARM = "disarm"
    HALT = "halt"
