"""One daemon per DATA_DIR and per login: advisory locks of the operating system, released by any kind of end.

Beside each lock stands a file that says who holds it; on Windows the locked file itself cannot be read by others.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from desk.core.errors import DeskError, StoreError

__all__ = ["AlreadyRunning", "instance_lock", "login_key"]


class AlreadyRunning(DeskError):
    """Another daemon has this DATA_DIR or this login. ``pid`` is None when it did not say."""

    def __init__(self, text: str, *, pid: int | None) -> None:
        super().__init__(text)
        self.pid = pid


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    data_dir: str


def login_key(gateway_url: str, username: str) -> str:
    """Identity of one login at one gateway, without naming it: 32 hexadecimal digits."""
    login = f"{gateway_url.strip().rstrip('/').casefold()}\n{username.strip().casefold()}"
    return hashlib.sha256(login.encode()).hexdigest()[:32]


@contextmanager
def instance_lock(data_dir: Path, login_key: str | None, *, lock_dir: Path | None = None) -> Iterator[None]:
    """Hold ``data_dir`` and, unless None, the login for this process.

    login_key: from :func:`login_key`; None in paper mode. lock_dir: where logins are locked; None: the user's own
    place, the same for every DATA_DIR. Raises AlreadyRunning, naming the other one's pid, and StoreError when nothing
    can be locked there.
    """
    me = _Holder(pid=os.getpid(), data_dir=str(data_dir.absolute()))
    with ExitStack() as held:
        _make_directory(data_dir)
        held.enter_context(_locked(data_dir / "daemon", me, f"this DATA_DIR ({me.data_dir})"))
        if login_key is not None:
            place = lock_dir if lock_dir is not None else _users_place()
            _make_directory(place)
            held.enter_context(_locked(place / f"login-{login_key}", me, "this login, from another DATA_DIR"))
        yield


@contextmanager
def _locked(stem: Path, me: _Holder, what: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock, holder_file = FileLock(stem.with_suffix(".lock"), timeout=0), stem.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout:
        raise _already_running(_read_holder(holder_file), what) from None
    except OSError as exc:
        raise StoreError(f"cannot lock {stem.with_suffix('.lock')}: {exc.strerror or exc}") from exc
    try:
        _write_holder(holder_file, me)
        yield
    finally:
        try:
            holder_file.unlink(missing_ok=True)
        except OSError:
            pass  # it is only a note; the lock is what counts
        lock.release()


def _already_running(holder: _Holder | None, what: str) -> AlreadyRunning:
    if holder is None:
        return AlreadyRunning(f"another daemon has {what}; it has not said its process id. Stop it first", pid=None)
    where = "" if holder.data_dir in what else f" (its DATA_DIR is {holder.data_dir})"
    stop = f"taskkill /PID {holder.pid} /F" if sys.platform == "win32" else f"kill {holder.pid}"
    return AlreadyRunning(
        f"another daemon, process {holder.pid}, has {what}{where}. "
        f"Stop it first: quit in its console, Ctrl+C in its terminal, or {stop}",
        pid=holder.pid,
    )


def _read_holder(path: Path) -> _Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Holder)
    except (OSError, msgspec.DecodeError):
        return None


def _write_holder(path: Path, me: _Holder) -> None:
    try:
        path.write_bytes(msgspec.json.encode(me))
    except OSError as exc:
        raise StoreError(f"cannot write {path}: {exc.strerror or exc}") from exc


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"the directory {path} cannot be used: {exc.strerror or exc}") from exc


def _users_place() -> Path:
    """Where this user's programs keep such things; the temporary directory when there is no home to write to."""
    place = {"win32": "AppData/Local/trading-desk", "darwin": "Library/Application Support/trading-desk"}.get(
        sys.platform, ".local/state/trading-desk"
    )
    try:
        found = Path.home() / place
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home at all is a RuntimeError
        return Path(tempfile.gettempdir()) / "trading-desk"
    return found if os.access(found, os.W_OK) else Path(tempfile.gettempdir()) / "trading-desk"
