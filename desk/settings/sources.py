"""Where the texts of the settings come from: the real environment, which is handed in, and the ``.env`` file."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import parse_stream

from desk.settings.refused import why_refused

__all__ = ["Given", "gather"]


class Given(NamedTuple):
    """A non-empty text and where it stands, in words for a message."""

    text: str
    where: str
    in_file: bool = False


def gather(
    environ: Mapping[str, str], env_file: Path | None, known: Collection[str]
) -> tuple[dict[str, Given], list[str]]:
    """What was given, by name, and what is wrong with it; the real environment wins over the file.

    Broken lines, repeated keys and names that are no settings are problems. Empty values are left out.
    """
    problems: list[str] = []
    in_file = _read_file(env_file, problems) if env_file else {}
    real = {key: Given(text.strip(), "environment") for key, text in environ.items() if text.strip()}
    return in_file | real, [*problems, *_refusals(in_file, known), *_refusals(real, known)]


def _read_file(env_file: Path, problems: list[str]) -> dict[str, Given]:
    """Empty when there is no file. No ``${...}`` expansion: a secret may contain one."""
    first_seen: dict[str, str] = {}
    given: dict[str, Given] = {}
    try:
        with env_file.open(encoding="utf-8-sig") as stream:  # editors on Windows put a byte order mark first
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        problems.append(f"{env_file} cannot be read: {exc.strerror or type(exc).__name__}")
        return {}
    except UnicodeDecodeError:  # PowerShell's > writes UTF-16
        problems.append(f"{env_file} is not UTF-8 text: open it in an editor and save it as UTF-8")
        return {}
    for binding in bindings:
        where = f"{env_file.name} line {binding.original.line + _blank_lines_before(binding.original.string)}"
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{where}: must be KEY=value, a comment or empty")
        elif binding.key is None or binding.value is None:
            continue  # a comment
        elif binding.key in first_seen:
            problems.append(f"{binding.key} ({where}): stands there twice, see {first_seen[binding.key]}")
        else:
            first_seen[binding.key] = where
            if text := binding.value.strip():
                given[binding.key] = Given(text, where, in_file=True)
    return given


def _blank_lines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _refusals(given: Mapping[str, Given], known: Collection[str]) -> list[str]:
    """Names that are no settings: another bot's, or mistyped. Strangers in the real environment are left alone."""
    found = []
    for key, (_, where, in_file) in given.items():
        if key in known:
            continue
        reason = why_refused(key, in_file=in_file)
        if reason is None and (in_file or key.startswith("PROJECT_X_")):
            near = difflib.get_close_matches(key.upper(), known, n=1)
            reason = f"no such setting{f', did you mean {near[0]}?' if near else '; .env.example has them all'}"
        if reason is not None:
            found.append(f"{key} ({where}): {reason}")
    return found
