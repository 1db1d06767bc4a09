"""What was done without the journal is written somewhere, and writing it never stands in the way."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from desk.store import write_unjournalled
from tests.store.samples import incident


def lines_of(data_dir: Path) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in (data_dir / "unjournalled.jsonl").read_bytes().splitlines()]


def test_records_are_added_line_by_line_to_the_file_and_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_unjournalled(tmp_path, [incident("A"), incident("B")], "disk full")
    write_unjournalled(tmp_path, [incident("C")], "disk full")
    assert [line["reason"] for line in lines_of(tmp_path)] == ["disk full"] * 3
    assert [line["record"] for line in lines_of(tmp_path)] == [msgspec.to_builtins(incident(c)) for c in "ABC"]
    assert capfd.readouterr().err.count("IncidentRaised") == 3


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "unjournalled.jsonl").write_bytes(b'{"reason": "disk fu')
    write_unjournalled(tmp_path, [incident("A")], "disk full")
    lines = (tmp_path / "unjournalled.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(lines[1])["reason"] == "disk full"


def test_without_a_directory_stderr_has_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_unjournalled(tmp_path / "nowhere", [incident("A")], "disk full")
    said = capfd.readouterr().err
    assert "IncidentRaised" in said
    assert "unjournalled.jsonl: No such file" in said


def test_without_stderr_the_file_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    write_unjournalled(tmp_path, [incident("A", "half a character: \ud800"), incident("B")], "why \ud800")
    assert len(lines_of(tmp_path)) == 2
