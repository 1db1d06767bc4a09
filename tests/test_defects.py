"""The page of other bots' defects: every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "defects.md").read_text(encoding="utf-8"))


def test_every_defect_names_its_test() -> None:
    rows = [
        line for line in (ROOT / "docs" / "defects.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "
    ]
    defects = [row for row in rows if not row.startswith(("| what happened", "| defect", "| complaint"))]
    assert len(defects) == len(NAMED) > 30


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_named_test_is_there(path: str, name: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"def {name}\(" if name else r"def test_", text), f"{path} has no {name}"
