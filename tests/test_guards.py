"""The guards of ``conftest.py`` really fail the tests that they are there for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each of these breaks one rule, or looks as if it did; the name's ending says what must become of it.
CASES = """
import asyncio, os, socket, threading, time, warnings
import pytest
from hypothesis import given, strategies as st

_kept = []

def test_connect_outside_fails():
    with socket.socket() as sock:
        sock.connect(("192.0.2.1", 9))

def test_swallowed_connect_outside_fails():
    with socket.socket() as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except Exception:
            pass

async def test_connect_outside_by_the_loop_fails():
    await asyncio.open_connection("192.0.2.1", 9)

def test_datagram_outside_fails():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("192.0.2.1", 9))

async def test_name_lookup_fails():
    await asyncio.open_connection("gateway.invalid", 9)

async def test_loopback_passes():
    async def serve(reader, writer):
        writer.close()
        await writer.wait_closed()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection("localhost", server.sockets[0].getsockname()[1])
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

def test_unix_pair_passes():
    left, right = socket.socketpair()
    left.close(), right.close()

async def test_leftover_task_fails():
    _kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

async def test_ending_task_passes():
    _kept.append(asyncio.create_task(asyncio.sleep(0)))

@pytest.fixture
async def background():
    task = asyncio.create_task(asyncio.sleep(60))
    yield
    task.cancel()

async def test_task_of_a_fixture_that_cancels_it_passes(background):
    pass

async def test_leftover_timer_fails():
    asyncio.get_running_loop().call_later(60, test_unix_pair_passes)

@given(st.integers())
async def test_leftover_task_in_a_property_fails(number):
    _kept.append(asyncio.create_task(asyncio.sleep(60)))

def test_leftover_thread_fails():
    threading.Thread(target=time.sleep, args=(1.5,), name="forgotten").start()

def test_leftover_executor_fails():
    from concurrent.futures import ThreadPoolExecutor
    _kept.append(ThreadPoolExecutor(1))
    _kept[-1].submit(int)

async def test_default_executor_passes():
    await asyncio.to_thread(int)

def test_leftover_socket_fails():
    _kept.append(socket.socket())

def test_dropped_socket_fails():
    socket.socket()

async def test_leftover_server_fails():
    _kept.append(await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0))

def test_warning_fails():
    warnings.warn("mind the gap", DeprecationWarning, stacklevel=1)

def test_clean_environment_passes():
    assert "TRADING_MODE" not in os.environ and "WEBHOOK_TOKEN" not in os.environ

async def test_callback_from_a_foreign_thread_fails():
    await asyncio.to_thread(asyncio.get_running_loop().call_soon, int)

async def test_timer_from_a_foreign_thread_fails():
    await asyncio.to_thread(asyncio.get_running_loop().call_later, 0, int)

async def test_callback_handed_over_to_the_loop_passes():
    await asyncio.to_thread(asyncio.get_running_loop().call_soon_threadsafe, int)

async def test_coroutine_as_a_callback_fails():
    asyncio.get_running_loop().call_soon(asyncio.sleep, 0)

async def test_forgotten_await_fails():
    asyncio.sleep(0)

@pytest.mark.timeout(0.2)
def test_time_limit_fails():
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Test name → what pytest said of it; a teardown that fails says ERROR beside PASSED."""
    home = tmp_path_factory.mktemp("guards")
    (home / "test_cases.py").write_text(CASES, encoding="utf-8")
    (home / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            str(ROOT / "pyproject.toml"),
            "--rootdir",
            str(ROOT),
            "-rA",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            str(home),
        ],
        cwd=ROOT,
        env=os.environ | {"TRADING_MODE": "live", "WEBHOOK_TOKEN": "from-a-developers-shell"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=25,
    )
    found: dict[str, set[str]] = {}
    for outcome, name in re.findall(r"(?m)^(PASSED|FAILED|ERROR) \S*::(\w+)", run.stdout):
        found.setdefault(name, set()).add(outcome)
    assert found, run.stdout + run.stderr
    return found


@pytest.mark.parametrize("name", re.findall(r"def (test_\w+)", CASES))
def test_the_guards_judge(name: str, outcomes: dict[str, set[str]]) -> None:
    if name.endswith("_passes"):
        assert outcomes[name] == {"PASSED"}
    else:
        assert outcomes[name] & {"FAILED", "ERROR"}


def test_real_waits_widen_on_a_slow_machine(unit: float) -> None:
    assert unit == pytest.approx(0.05 * float(os.environ.get("TEST_TIME_SCALE", "1")))
