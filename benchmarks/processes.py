"""The processes of a run: started with a clean environment, watched through their output, ended whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from load_env import SETTINGS

__all__ = ["ROOT", "Child", "child", "clean_environment", "one_free_account", "running_simulator", "simulator_state"]

ROOT = Path(__file__).parents[1]
READY_S = 30.0
STOP_S = 12.0
ENDING_S = 2.0
_POLL_S = 0.01


class Child:
    """One started process. Its output goes to a file, which nobody reads while something is measured."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def wait_for(self, text: str) -> str:
        """The first line of its output that contains ``text``. Raises RuntimeError, with what it said last."""
        give_up_at = time.monotonic() + READY_S
        while time.monotonic() < give_up_at:
            said = self._log.read_text(encoding="utf-8", errors="replace")
            for line in said.splitlines(keepends=True):
                if text in line and line.endswith("\n"):
                    return line.strip()
            if self.process.poll() is not None:
                break
            time.sleep(_POLL_S)
        raise RuntimeError(f"{text!r} did not come; exit code {self.process.poll()}; it said last:\n{self.last_words}")

    @property
    def last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def stop(self, *, by_closing_input: bool) -> None:
        """Asks it to end and waits; one that does not is killed."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if not by_closing_input:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def child(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, *, by_closing_input: bool = True
) -> Iterator[Child]:
    """``python <arguments>`` as long as the block. by_closing_input: how it is told to end, else by SIGTERM.

    Raises RuntimeError with what it said last when it ended by itself.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environment(environment or {}),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Child(process, log)
    try:
        yield running
        _still_runs(running, arguments, None)
    except (OSError, TimeoutError, RuntimeError) as error:
        _still_runs(running, arguments, error)
        raise
    finally:
        running.stop(by_closing_input=by_closing_input)


def _still_runs(running: Child, arguments: Sequence[str], error: Exception | None) -> None:
    """error: what made us ask; a child that is just ending is given the time to say why."""
    try:
        code = running.process.wait(ENDING_S) if error is not None else running.process.poll()
    except subprocess.TimeoutExpired:
        return
    if code is not None:
        name = " ".join(arguments[:2])
        raise RuntimeError(f"{name} ended by itself, exit code {code}; it said last:\n{running.last_words}") from error


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of the program, plus ``settings``."""
    ours = {row.key for row in SETTINGS}
    return {key: value for key, value in os.environ.items() if key not in ours} | dict(settings)


@contextmanager
def running_simulator(folder: Path, *options: str) -> Iterator[str]:
    """The simulated gateway in its own process, without rate limits; gives its URL."""
    arguments = ("-m", "desk.sim", "--port", "0", "--no-rate-limits", *options)
    with child(arguments, folder / "simulator.log", by_closing_input=False) as simulator:
        words = simulator.wait_for("simulated ProjectX gateway: ")
        url = words.rpartition(" ")[2]
        simulator.wait_for("Ctrl-C ends it")
        _check_clock(url)
        yield url


def one_free_account(folder: Path) -> tuple[str, str]:
    """Options for a simulator with a single account that no position limit holds back."""
    rules = folder / "accounts.toml"
    account = 'id = 21000001\nname = "PRAC-V2-100001-12345678"\nbalance = 1000000\n'
    rules.write_text(f"[[account]]\n{account}", encoding="utf-8")
    return "--accounts", str(rules)


def simulator_state(url: str) -> Any:
    """Everything the simulator saw; large, so never asked for while something is measured."""
    with urllib.request.urlopen(f"{url}/sim/state", timeout=30) as reply:  # noqa: S310 - our own loopback URL
        return msgspec.json.decode(reply.read())


def _check_clock(url: str) -> None:
    """One marker request: the simulator's monotonic clock must be this process's. Raises RuntimeError when it is not."""
    before = time.monotonic()
    with urllib.request.urlopen(f"{url}/api/Status/ping", timeout=10):  # noqa: S310 - our own loopback URL
        after = time.monotonic()
    started: float = simulator_state(url)["requests"][-1]["started"]
    if not before <= started <= after:
        raise RuntimeError("monotonic clocks of two processes differ on this platform: times cannot be compared")
