"""``.env.example`` tells the same as the table in ``load_env.py``: every key, its meaning, its range, its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from load_env import SETTINGS, Setting, load_settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"
TEXT = EXAMPLE.read_text(encoding="utf-8")


def stanzas() -> dict[str, tuple[str, str]]:
    """Key → (the comment above it as one line, the default it shows)."""
    found: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in TEXT.splitlines():
        if entry := re.fullmatch(r"#([A-Z][A-Z0-9_]*)=(.*)", line):
            assert entry[1] not in found, f"{entry[1]} stands there twice"
            found[entry[1]] = (" ".join(comment), entry[2])
            comment = []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        else:
            assert not line.strip(), f"neither a comment nor a commented-out setting: {line}"
            comment = []
    return found


def test_the_example_has_every_setting_and_no_other() -> None:
    assert list(stanzas()) == [row.key for row in SETTINGS]


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.key)
def test_each_setting_stands_there_with_its_meaning_range_and_default(row: Setting) -> None:
    comment, default = stanzas()[row.key]
    assert comment == f"{row.meaning} Allowed: {row.kind.allowed}."
    assert default == (row.default or "")


def test_the_example_copied_unchanged_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(TEXT, encoding="utf-8")
    assert load_settings({}, copy) == load_settings({}, None)


def test_the_example_with_every_line_switched_on_is_still_the_default(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(re.sub(r"(?m)^#(?=[A-Z][A-Z0-9_]*=)", "", TEXT), encoding="utf-8")
    assert load_settings({}, copy) == load_settings({}, None)
