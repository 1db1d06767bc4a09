"""Always on: loopback-only sockets, no leftovers, none of a developer's settings, temporary files in memory; plus ``unit``
for the few real waits.

Sockets are watched through the interpreter's audit events, so nothing is patched and C code is covered, too.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from load_env import SETTINGS

TIME_SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
UNIT_S = 0.05 * TIME_SCALE

for _row in SETTINGS:  # for the subprocesses of tests, too
    os.environ.pop(_row.key, None)

MEMORY, ROOM = Path("/dev/shm"), 1 << 30  # noqa: S108 - only pytest's own folders are made there
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    # A journal syncs its commits, hundreds of tests open one, and a busy disk takes 50 ms for it. Processes inherit it.
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None

hypothesis_settings.register_profile("desk", deadline=None, max_examples=60)
hypothesis_settings.register_profile(
    "ci", deadline=None, max_examples=60, derandomize=True, database=None, print_blob=True
)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "desk")


# --- sockets -----------------------------------------------------------------------------------------------------

_outside_attempts: list[str] = []
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class OutsideWorld(RuntimeError):
    """A test reached for something that is not this computer."""


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name in {"localhost", "localhost."}


def _refuse(what: str) -> None:
    _outside_attempts.append(what)  # kept as well, for a retry loop may swallow the error
    raise OutsideWorld(f"{what}: tests talk to 127.0.0.1 only")


def _watch_sockets(event: str, args: tuple[Any, ...]) -> None:
    match event, args:
        case ("socket.__new__", (sock, *_)) if isinstance(sock, socket.socket):
            _sockets.add(sock)
        case ("socket.connect" | "socket.sendto" | "socket.sendmsg", (sock, (host, port, *_))):
            if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(host):
                _refuse(f"{event} to {host}:{port}")
        case ("socket.getaddrinfo" | "socket.gethostbyname", (host, *_)) if host:
            # An address needs no look-up; connecting to it is watched above.
            name = host.decode() if isinstance(host, bytes) else str(host)
            if not (_is_loopback(name) or name.replace(".", "").isdigit() or ":" in name):
                _refuse(f"looking up {name}")


sys.addaudithook(_watch_sockets)


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    _outside_attempts.clear()
    yield
    attempts = list(_outside_attempts)
    _outside_attempts.clear()
    assert not attempts, f"reached for the outside world: {attempts}"


# --- event loops -------------------------------------------------------------------------------------------------

LOOP: Any = asyncio.ProactorEventLoop if sys.platform == "win32" else asyncio.SelectorEventLoop


class WatchedLoop(LOOP):
    """Refuses what asyncio's debug mode refuses: callbacks from a foreign thread, and coroutines as callbacks. The rest of
    that mode, a stack for every future and handle, is for a person who looks for something and takes twice the time."""

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self._check_thread()
        self._check_callback(callback, "call_soon")
        return super().call_soon(callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        self._check_thread()
        self._check_callback(callback, "call_at")
        return super().call_at(when, callback, *args, context=context)


class WatchedLoops(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return WatchedLoop()


asyncio.set_event_loop_policy(WatchedLoops())
sys.set_coroutine_origin_tracking_depth(3)  # where the one was made that nobody awaited

# --- leftovers ---------------------------------------------------------------------------------------------------


def _is_tools_own(thread: threading.Thread) -> bool:
    return thread.name.startswith("pytest_timeout")


def _open_sockets() -> set[socket.socket]:
    return {sock for sock in list(_sockets) if sock.fileno() != -1}


@pytest.fixture(autouse=True)
def _no_leftovers(_loopback_only: None) -> Iterator[None]:
    """Fails a test that leaves a non-daemon thread (an executor's are) or an open socket behind.

    Set up first, so torn down last: the event loop has closed its own socket pair and joined its executor by then.
    """
    threads_before, sockets_before = set(threading.enumerate()), _open_sockets()
    yield
    deadline = time.monotonic() + 4 * UNIT_S
    threads = {t for t in set(threading.enumerate()) - threads_before if not t.daemon and not _is_tools_own(t)}
    for thread in threads:  # one that is just ending may end
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [f"thread {t.name}" for t in threads if t.is_alive()]
    for sock in _open_sockets() - sockets_before:
        left.append(f"open socket {sock!r}")
        sock.close()
    assert not left, f"left behind: {left}"


def _timers_of_ours(loop: asyncio.AbstractEventLoop) -> set[asyncio.TimerHandle]:
    """Timers that are due later and call into this project; libraries' own are theirs to keep."""
    timers: list[asyncio.TimerHandle] = getattr(loop, "_scheduled", [])
    return {
        timer for timer in timers if not timer.cancelled() and _home_of(timer).startswith(("desk.", "tests.", "test_"))
    }


def _home_of(timer: asyncio.TimerHandle) -> str:
    callback = getattr(timer, "_callback", None)
    callback = getattr(callback, "func", callback)  # functools.partial
    return getattr(callback, "__module__", None) or ""


@pytest.fixture
async def _no_leftover_tasks_here() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    tasks_before, timers_before = asyncio.all_tasks(), _timers_of_ours(loop)
    yield
    for _ in range(5):  # closing transports and cancelled tasks need a few turns
        await asyncio.sleep(0)
    mine = asyncio.current_task()
    tasks = {task for task in asyncio.all_tasks() - tasks_before if task is not mine}
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=2 * UNIT_S)
    left = [f"task {task.get_name()}: {task.get_coro()!r}" for task in tasks]
    left += [f"timer {timer!r}" for timer in _timers_of_ours(loop) - timers_before]
    for task in tasks:
        task.cancel()
    assert not left, f"left behind: {left}"


@pytest.fixture(autouse=True)
def _no_leftover_tasks(_no_leftovers: None, request: pytest.FixtureRequest) -> None:
    """Fails an async test that leaves a task or a timer of ours behind; its own fixtures have been torn down before."""
    function = getattr(request, "function", None)
    # hypothesis wraps an async test into a plain one and keeps the original
    function = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if inspect.iscoroutinefunction(function):
        request.getfixturevalue("_no_leftover_tasks_here")


# --- processes ---------------------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: while one waits for a daemon or a clock, another has work."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (mine or 1) + 1


@pytest.fixture
def _hang_up_ends() -> Iterator[None]:
    """As in a terminal: under nohup, and in some CI, programs that are started inherit that a hang-up is nothing."""
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        yield
        return
    before = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


# --- time --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def unit() -> float:
    """Seconds: the one constant for real waits. TEST_TIME_SCALE widens it on a slow machine."""
    return UNIT_S
