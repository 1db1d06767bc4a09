"""The pinned requirements are complete on every platform and Python that the README names, though compiled on one."""

from __future__ import annotations

import tomllib
from importlib.metadata import distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
PYTHONS = ("3.11", "3.12", "3.13")
UNPINNED = {"pip", "setuptools"}  # every environment brings them
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, Version]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in pairs}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
@pytest.mark.parametrize(("platform", "python"), list(product(PLATFORMS, PYTHONS)))
def test_everything_that_a_pinned_package_needs_there_is_pinned(name: str, platform: str, python: str) -> None:
    pinned = pins(name)
    environment = PLATFORMS[platform] | {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    missing = {
        f"{package} needs {needed}"
        for package in pinned
        for needed in map(Requirement, distribution(package).requires or [])
        if (needed.marker is None or needed.marker.evaluate(environment))
        and canonicalize_name(needed.name) not in pinned.keys() | UNPINNED
    }
    assert missing == set()


def test_the_pins_satisfy_the_ranges_of_the_project() -> None:
    for name, ranges in {
        "requirements.txt": PROJECT["dependencies"],
        "requirements-dev.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"],
    }.items():
        for needed in map(Requirement, ranges):
            assert pins(name)[canonicalize_name(needed.name)] in needed.specifier, needed


def test_running_and_developing_use_the_same_versions() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_pins_name_no_host_and_no_path(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "\n-" not in text
    assert "/" not in text
