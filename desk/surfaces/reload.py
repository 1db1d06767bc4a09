"""``reload``: the bots' part of ``.env`` and ``desk.toml`` is read again, shown as differences, and taken over at once."""

from __future__ import annotations

from collections.abc import Sequence

from desk.core.errors import ConfigError, StoreError, Unavailable
from desk.runtime.desk import Desk
from desk.runtime.reload import Reread
from desk.surfaces.arguments import YES
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.giving import ask_person
from desk.surfaces.sheet import Cell, Line, Page, Sheet

__all__ = ["RELOAD_USAGE", "reload_bots"]

RELOAD_USAGE = "reload [yes]"


async def reload_bots(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Asks in the console where the change may lead to more being traded. Whatever is wrong leaves everything as it was."""
    if args and args[0].lower() not in YES:
        raise BadCall(f"Write {RELOAD_USAGE}")
    if desk.reloader is None:
        raise BadCall("This desk was started without files to read again")
    try:
        reread = await desk.reloader.read()
    except (ConfigError, StoreError) as wrong:
        return _unchanged(str(wrong))
    if not reread.changes:
        return CommandResult(True, _data(reread), (Line("The bots are configured as the files say."), *_later(reread)))
    page: Page = (_sheet(reread), *_later(reread))
    if reread.may_trade_more:
        for line in CommandResult(True, None, page).text.splitlines():
            caller.say(line)
        answer = await ask_person(caller, "This may trade more than before.", has_yes=bool(args))
        if answer is not None:
            return answer
    try:
        cause = await desk.reloader.apply(reread, caller.by)
    except (ConfigError, StoreError, Unavailable) as wrong:
        return _unchanged(str(wrong))
    head = Line("Taken over.", "green")
    return CommandResult(True, _data(reread) | {"command_id": cause}, (head, *page, Line(f"why {cause}", "dim")))


def _unchanged(why: str) -> CommandResult:
    lines = tuple(Line(text, "red") for text in why.splitlines())
    return CommandResult(False, {"problems": why.splitlines()}, (Line("Nothing was changed.", "red"), *lines))


def _sheet(reread: Reread) -> Sheet:
    rows = [
        (c.bot, c.key or "the bot", c.before, Cell(c.now, "yellow" if c.may_trade_more else "")) for c in reread.changes
    ]
    return Sheet.of("bot,key,before,now", rows)


def _later(reread: Reread) -> Page:
    if not reread.needs_restart:
        return ()
    return (Line(f"Changed too, and looked at when the program starts: {', '.join(reread.needs_restart)}", "yellow"),)


def _data(reread: Reread) -> dict[str, object]:
    changes = [
        {"bot": c.bot, "key": c.key, "before": c.before, "now": c.now, "may_trade_more": c.may_trade_more}
        for c in reread.changes
    ]
    return {"changes": changes, "needs_restart": list(reread.needs_restart)}
