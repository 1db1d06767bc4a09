"""``explain`` in the console, over ``POST /api/command`` and over ``POST /api/explain``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from desk.bots import BotConfig
from desk.engine import Context
from desk.runtime.desk import Desk
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.explain import MAX_TEXT, Explained, explained
from desk.surfaces.explain_page import explained_page

__all__ = ["bot_named", "explain", "explain_text"]

_NAME = re.compile(r"[\w-]{1,64}")
_FORMS = 'explain {"v":1,...}, explain BOT {...}, explain FILE, or explain alone and paste'


async def explain(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``[BOT] TEXT``, ``[BOT] FILE``, or what is pasted. A file is read for a person at the console only."""
    ctx = desk.context()
    name, text = _apart(args[0] if args else "", ctx)
    bot = bot_named(ctx, name)
    if caller.paste is not None and (not text or _is_unfinished(text)):
        text = await caller.paste(text)
    elif caller.by == "console":
        text = await asyncio.to_thread(_of_file, text)
    if not text.strip():
        raise BadCall(f"Explain what? Write {_FORMS}")
    return explain_text(desk, text, bot.name, caller)


def explain_text(desk: Desk, text: str, bot: str | None, caller: Caller) -> CommandResult:
    """bot: None is the first one. Raises BadCall for a bot that does not exist and a text that no door would take."""
    if len(text.encode("utf-8", "replace")) > MAX_TEXT:
        raise BadCall(f"The text is longer than {MAX_TEXT // 1024} KiB; the door would refuse it, too")
    ctx = desk.context()
    config = bot_named(ctx, bot)
    told = explained(text, config, desk.state, ctx, [door.token for door in desk.bots])
    return result_of(told, ctx, caller)


def result_of(told: Explained, ctx: Context, caller: Caller) -> CommandResult:
    """For a program and for a person."""
    return CommandResult(True, asdict(told), explained_page(told, ctx.contracts.values(), caller.zone))


def bot_named(ctx: Context, name: str | None) -> BotConfig:
    """Raises BadCall with the names that there are. None: the first one."""
    bot = next(iter(ctx.bots.values()), None) if name is None else ctx.bots.get(name)
    if bot is None:
        known = ", ".join(ctx.bots) or "none"
        raise BadCall(f"There is no bot {(name or '')[:40]!a}. Bots: {known}")
    return bot


def _apart(line: str, ctx: Context) -> tuple[str | None, str]:
    """The bot's name in front, if that is one, and the rest. A name before JSON is one that may not exist."""
    first, *more = line.split(maxsplit=1)[:2] or [""]
    rest = more[0].strip() if more else ""
    if first in ctx.bots or (rest.startswith(("{", "[")) and _NAME.fullmatch(first)):
        return first, rest
    return None, line


def _is_unfinished(text: str) -> bool:
    """JSON whose brackets are still open: the rest of it comes on the next lines."""
    return text.startswith(("{", "[")) and (text.count("{") > text.count("}") or text.count("[") > text.count("]"))


def _of_file(text: str) -> str:
    """What stands in the file, where ``text`` is the name of one; else the text itself. Raises BadCall."""
    if "\n" in text or text.startswith(("{", "[")):
        return text
    try:
        path = Path(text).expanduser()
        if not path.is_file():
            return text
        with path.open("rb") as file:
            return file.read(MAX_TEXT + 1).decode("utf-8", "replace")
    except (OSError, ValueError, RuntimeError) as problem:  # a name that is too long, or no name at all, is a text
        if isinstance(problem, PermissionError):
            raise BadCall(f"{text[:60]!a} cannot be read: {problem.strerror}") from problem
        return text
