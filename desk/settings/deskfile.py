"""``desk.toml``: several bots, one table each. Reads and checks; every problem is named with file, table and key.

A problem never repeats a value: it may be a misplaced secret.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from desk.core.secret import Secret
from desk.settings import kinds
from desk.settings.botfields import BOT_FIELDS

__all__ = ["BotTable", "read_desk_file"]

BotTable = dict[str, Any]
"""What one ``[bots.NAME]`` says: value by key, only what stands there. ``token_file`` was read and is ``token``."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_RESERVED = {"main"}  # what an alert calls the account of whichever bot it reaches
_LARGEST = 1 << 20  # bytes
_SHORTEST_TOKEN = 16  # characters of a secret in a file


def read_desk_file(path: Path, *, must_exist: bool) -> tuple[dict[str, BotTable], list[str]]:
    """(what each bot's table says, what is wrong). Without a file there are no bots; ``must_exist``: that is wrong, too."""
    try:
        text = _text_of(path)
    except FileNotFoundError:
        return {}, [f"DESK_TOML: {path} is not there"] if must_exist else []
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        return {}, [
            f"{path.name} cannot be read: {getattr(exc, 'strerror', None) or 'it must be UTF-8 text under 1 MB'}"
        ]
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        return {}, [f"{path.name} is not TOML: {_place_of(exc)}"]
    problems = [
        f"{path.name}: {_shown(key)} is not known; bots stand in tables [bots.NAME]" for key in tree if key != "bots"
    ]
    bots = tree.get("bots", {})
    if not isinstance(bots, dict):
        return {}, [*problems, f"{path.name}: bots must be tables, [bots.NAME]"]
    return {name: _table(path, name, given, problems) for name, given in bots.items()}, problems


def _text_of(path: Path) -> str:
    if path.exists() and path.stat().st_size > _LARGEST:
        raise ValueError
    return path.read_text(encoding="utf-8-sig")  # editors on Windows put a byte order mark first


def _place_of(exc: Exception) -> str:
    """Where, without the text that stands there."""
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(exc))
    return (
        f"{place[1]} cannot be read; a text needs quotes, a table is [bots.NAME]"
        if place
        else "it is nested too deeply"
    )


def _table(path: Path, name: str, given: object, problems: list[str]) -> BotTable:
    where = f"{path.name} [bots.{_shown(name)}]"
    if _NAME.fullmatch(name) is None or name in _RESERVED:
        problems.append(f"{where}: a bot's name is 1 to 32 of a-z 0-9 _ -, begins with a letter, and is not main")
    if not isinstance(given, dict):
        problems.append(f"{where}: must be a table")
        return {}
    table: BotTable = {}
    for key, value in given.items():
        field = BOT_FIELDS.get(key)
        if field is None:
            near = difflib.get_close_matches(key, BOT_FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md has them all"
            problems.append(f"{where} {_shown(key)}: no such key, {hint}")
            continue
        try:
            table[key] = field.parse(value)
        except ValueError:
            problems.append(f"{where} {key}: must be {field.allowed}")
    _check_together(where, given, table, problems)
    _take_token_file(path.parent, where, table, problems)
    return table


def _check_together(where: str, given: Mapping[str, object], table: BotTable, problems: list[str]) -> None:
    if "symbols" not in given:
        problems.append(f'{where} symbols: is missing; write the roots that it may trade, such as symbols = ["MNQ"]')
    size, most = table.get("position_size", 1), table.get("max_position_size")
    if most is not None and size > most:
        problems.append(f"{where} max_position_size: must be at least position_size")
    sizing = table.get("sizing", "as_sent")
    if "sizing" not in given or "sizing" in table:  # its own problem is told once
        needs_value = sizing in {"factor", "risk_usd"}
        if needs_value and "sizing_value" not in given:
            problems.append(f"{where} sizing_value: is missing; sizing {sizing} needs its number")
        if not needs_value and "sizing_value" in given:
            problems.append(f"{where} sizing_value: only sizing factor and risk_usd take a number")
    if "token" in given and "token_file" in given:
        problems.append(f"{where} token_file: token stands there, too; keep one of them")


def _take_token_file(folder: Path, where: str, table: BotTable, problems: list[str]) -> None:
    file: Path | None = table.pop("token_file", None)
    if file is None:
        return
    try:
        text = (folder / file).read_text(encoding="ascii").strip()
        token = kinds.token().parse(text)
    except OSError as exc:
        problems.append(f"{where} token_file: cannot be read: {exc.strerror or type(exc).__name__}")
        return
    except ValueError:  # UnicodeDecodeError is one
        problems.append(f"{where} token_file: what stands in it must be {kinds.token().allowed}")
        return
    if len(text) < _SHORTEST_TOKEN:
        problems.append(f"{where} token_file: the secret in it must have at least {_SHORTEST_TOKEN} characters")
        return
    assert isinstance(token, Secret), "a token is read as a secret"
    table.setdefault("token", token)


def _shown(name: str) -> str:
    """A name as it was written, as far as it can be one: whatever is longer or odd may be a value in the wrong place."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", name) else "a name that is not allowed"
