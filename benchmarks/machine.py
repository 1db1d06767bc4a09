"""What the run happened on: nothing that names the computer, its owner or a path."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Machine, median

__all__ = ["describe"]

_LIBRARIES = ("aiohttp", "msgspec", "SQLAlchemy", "structlog", "websockets")


def describe(folder: Path, commits: int = 100) -> Machine:
    """folder: where the run keeps its files; its filesystem and its commits are what the journal gets."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory_gb=_memory_gb(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        filesystem=_filesystem(folder),
        load_before=_load(),
        commit_ms=_commit_ms(folder, commits),
        versions={name: version(name) for name in _LIBRARIES} | {"SQLite": sqlite3.sqlite_version},
    )


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        first = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()[0]
    except OSError:
        return None
    return round(int(first.split()[1]) / 2**20, 1)


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _filesystem(folder: Path) -> str:
    """Type of the deepest mount that holds ``folder``."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "not known"
    here = folder.resolve()
    holding = [(len(Path(at).parts), kind) for _, at, kind, *_ in mounts if here.is_relative_to(at)]
    return max(holding)[1] if holding else "not known"


def _commit_ms(folder: Path, commits: int) -> float:
    """One row into a bare SQLite file with the journal's pragmas: the part of a commit that is the disk's."""
    path, took = folder / "commit.sqlite3", []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA fullfsync=ON",
            "CREATE TABLE row (body TEXT)",
        ):
            connection.execute(statement)
        for _ in range(commits):
            began = time.monotonic()
            connection.execute("INSERT INTO row VALUES (?)", ("x" * 1500,))
            took.append((time.monotonic() - began) * 1000)
    return median(took)
