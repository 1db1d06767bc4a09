"""A token is made once, kept, readable by its owner only, and never shown."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from desk.core.errors import StoreError
from desk.store import load_or_make_token


def test_a_token_is_kept_over_restarts_and_each_name_has_its_own(tmp_path: Path) -> None:
    first = load_or_make_token(tmp_path / "data", "api")
    assert load_or_make_token(tmp_path / "data", "api").matches(first.reveal())
    assert load_or_make_token(tmp_path / "data", "webhook") != first
    assert len(first.reveal()) == 22  # 128 bits
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["api.token", "webhook.token"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_only_the_owner_reads_a_token(tmp_path: Path) -> None:
    token = load_or_make_token(tmp_path, "api")
    path = tmp_path / "api.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)  # copied back from a backup
    assert load_or_make_token(tmp_path, "api") == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe token that is no text"])
def test_a_token_file_that_cannot_be_used_is_named_without_its_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api.token").write_bytes(content)
    with pytest.raises(StoreError, match=r"api\.token") as caught:
        load_or_make_token(tmp_path, "api")
    assert "short" not in str(caught.value).replace("shorter", "")
    assert caught.value.__cause__ is None


def test_a_name_never_leaves_the_directory(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        load_or_make_token(tmp_path, "../api")
