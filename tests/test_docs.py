"""What the documents say is so: commands, settings, actions, links."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from desk.core.alert import Action
from desk.core.plans import Plan
from desk.core.version import VERSION
from desk.surfaces.commands import COMMANDS
from load_env import SETTINGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_shows_every_console_command() -> None:
    for command in COMMANDS.values():
        assert re.search(rf"^{command.name}\b", README, re.MULTILINE), command.name


def test_every_setting_that_the_readme_names_exists() -> None:
    known = {setting.key for setting in SETTINGS}
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})`", README))
    assert named - known <= {"ARGS"}


def test_every_action_that_the_readme_names_exists() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `action`"))
    assert set(re.findall(r"`(\w+)`", row)) - {"action"} <= {action.value for action in Action}


@pytest.mark.parametrize("file", sorted((ROOT / "desk/orders").glob("*.py")), ids=lambda file: file.name)
def test_the_page_of_the_plans_has_every_drawing(file: Path) -> None:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    page = (ROOT / "docs/plans.md").read_text(encoding="utf-8")
    for drawing in re.findall(r"^```\n.*?^```$", text, re.MULTILINE | re.DOTALL):
        assert drawing in page


def test_the_page_of_the_plans_names_every_plan() -> None:
    page = (ROOT / "docs/plans.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^`(\w+Plan)`\. ", page, re.MULTILINE)) == {plan.__name__ for plan in get_args(Plan)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_version_stands_in_one_place_and_agrees_with_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION
