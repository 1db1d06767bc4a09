"""One daemon per DATA_DIR and per login; any end of the first one, kill -9 too, lets the next one in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.core.errors import StoreError
from desk.store import AlreadyRunning, instance_lock, login_key
from tests.store.samples import Child

HOLDING = """
import sys, time
from pathlib import Path
from desk.store import instance_lock
data_dir, key, lock_dir = sys.argv[1:]
with instance_lock(Path(data_dir), key or None, lock_dir=Path(lock_dir)):
    print("held", flush=True)
    time.sleep(60)
"""

KEY = login_key("https://api.example.com", "somebody")


def test_a_second_start_in_one_directory_names_the_first_ones_pid(tmp_path: Path, child: Callable[..., Child]) -> None:
    first = child(HOLDING, tmp_path / "data", "", tmp_path / "locks")
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning) as caught, instance_lock(tmp_path / "data", None):
        pass
    assert caught.value.pid == first.pid
    text = str(caught.value)
    assert f"process {first.pid}" in text
    assert str(tmp_path / "data") in text
    assert "quit in its console" in text
    first.kill()
    first.wait()
    with instance_lock(tmp_path / "data", None):
        assert str(os.getpid()) in (tmp_path / "data" / "daemon.pid").read_text()
    assert not (tmp_path / "data" / "daemon.pid").exists()


def test_two_directories_do_not_share_one_login(tmp_path: Path, child: Callable[..., Child]) -> None:
    locks = tmp_path / "locks"
    first = child(HOLDING, tmp_path / "one", KEY, locks)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning) as caught, instance_lock(tmp_path / "two", KEY, lock_dir=locks):
        pass
    assert f"process {first.pid}, has this login" in str(caught.value)
    assert str(tmp_path / "one") in str(caught.value)
    with instance_lock(tmp_path / "two", None, lock_dir=locks):  # the refused start let go of its directory
        pass
    with instance_lock(tmp_path / "two", login_key("https://api.example.com", "another"), lock_dir=locks):
        pass
    first.kill()
    first.wait()
    with instance_lock(tmp_path / "two", KEY, lock_dir=locks):
        pass


def test_a_process_cannot_take_its_own_lock_twice(tmp_path: Path) -> None:
    with instance_lock(tmp_path, None):
        with pytest.raises(AlreadyRunning), instance_lock(tmp_path, None):
            pass
        assert (tmp_path / "daemon.pid").exists()


def test_a_holder_that_has_not_said_who_it_is_still_holds(tmp_path: Path) -> None:
    with instance_lock(tmp_path, None):
        (tmp_path / "daemon.pid").write_bytes(b"")
        with pytest.raises(AlreadyRunning) as caught, instance_lock(tmp_path, None):
            pass
    assert caught.value.pid is None


def test_logins_are_locked_in_the_users_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    with instance_lock(tmp_path / "data", KEY):
        found = list((tmp_path / "home").rglob("login-*.lock"))
    assert [path.name for path in found] == [f"login-{KEY}.lock"]


def test_a_login_key_is_the_login_and_does_not_show_it() -> None:
    assert login_key("https://api.example.com/", "Somebody") == KEY
    assert login_key("https://api.example.com", "another") != KEY
    assert "somebody" not in KEY


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"), instance_lock(tmp_path / "file" / "data", None):
        pass
