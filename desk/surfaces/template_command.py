"""``template``: the text of an alert for TradingView's dialog, filled in for a bot, and the URL to paste beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from desk.alerts import TEMPLATE_KINDS, Template, templates
from desk.runtime.desk import BotDoor, Desk
from desk.surfaces.banner import EXAMPLE_STOP_POINTS, webhook_url
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.explain_command import bot_named
from desk.surfaces.sheet import Line, Sheet

__all__ = ["template"]

USAGE = f"template [BOT] [{'|'.join(TEMPLATE_KINDS)}]"
_OWN_FORM = {None, "desk"}


async def template(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Shows the bot's secret, in its URL: it is what must be pasted."""
    kind, door = _asked(desk, args)
    messages = templates(kind, door.name, stop_points=EXAMPLE_STOP_POINTS)
    url = webhook_url(caller.urls.public, door.token)
    page: list[Line | Sheet] = [
        Line(f"Webhook URL of {door.name} (whoever knows it can trade with it):", "bold"),
        Line(url, is_copied=True),
        Line("The path stays; the front is your tunnel's address. Ports 80 and 443 only.", "dim"),
    ]
    pinned = bot_named(desk.context(), door.name).dialect.pinned
    if pinned not in _OWN_FORM:
        text = (
            f"{door.name} reads {pinned} only and would refuse this: write messages of that form, or take its pin away."
        )
        page.append(Line(text, "red"))
    for message in messages:
        page += [Line(""), Line(f"Message, {message.title}:", "bold")]
        page += [Line(text, is_copied=True) for text in message.message.splitlines()]
        page += [Line(text, "dim") for text in message.notes]
    page += [Line(""), Sheet.of("TradingView fills in,with", _placeholders(messages))]
    page.append(Line("explain and the filled-in text tell what such an alert would do.", "dim"))
    data = {"bot": door.name, "kind": kind, "url": url, "templates": [asdict(message) for message in messages]}
    return CommandResult(True, data, tuple(page))


def _placeholders(messages: Sequence[Template]) -> list[tuple[str, str]]:
    """Each once."""
    return list(dict.fromkeys(pair for message in messages for pair in message.placeholders))


def _asked(desk: Desk, args: Sequence[str]) -> tuple[str, BotDoor]:
    """Kind and bot, in any order. One bot need not be named. Raises BadCall."""
    doors = {door.name: door for door in desk.bots}
    kinds = [word.lower() for word in args if word.lower() in TEMPLATE_KINDS and word not in doors]
    names = [word for word in args if word in doors]
    unknown = [word for word in args if word not in doors and word.lower() not in TEMPLATE_KINDS]
    known = f"Bots: {', '.join(doors) or 'none'}. Kinds: {', '.join(TEMPLATE_KINDS)}"
    if unknown:
        raise BadCall(f"{unknown[0][:40]!a} is neither a bot nor a kind of template. {known}")
    if len(kinds) > 1 or len(names) > 1:
        raise BadCall(f"One bot and one kind, please. Write {USAGE}")
    if not names and len(doors) != 1:
        raise BadCall(f"For which bot? Write {USAGE}. {known}")
    return kinds[0] if kinds else TEMPLATE_KINDS[0], doors[names[0]] if names else next(iter(doors.values()))
