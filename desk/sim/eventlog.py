"""The complete log (``--log FILE``): every request and reply, every row the exchange changed, faults, hubs, the control door.

One JSON object per line, in the order in which things happened here; ``at`` is the machine's clock in epoch seconds. A row
of the exchange is written when it changed, whatever the faults then do to its push (``fate``), so the file is the truth
that no client has. Nothing is ever dropped from it.
"""

import json
import time
from pathlib import Path
from typing import Any, TextIO

from desk.sim.model import UserEvent
from desk.sim.wire import user_event_json

_TOLD_WHOLE = ("/api/Order/place", "/api/Order/cancel", "/api/Order/modify", "/api/Position/")
"""Replies that are kept with their body: those of writes."""


class EventLog:
    """Lines of one run. Without a path it takes everything and keeps nothing."""

    def __init__(self, path: Path | str | None) -> None:
        """Raises ValueError with one line when the file cannot be written."""
        self._requests = 0
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115 - as long as the server
            except OSError as exc:
                raise ValueError(f"log file {path}: {exc.strerror}") from exc

    def close(self) -> None:
        """Nothing is written any more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def request(self, path: str, body: str) -> int:
        """A request arrived; the number that its reply will carry."""
        self._requests += 1
        self.write("request", n=self._requests, path=path, body=body)
        return self._requests

    def reply(self, number: int, path: str, user: str | None, status: int, body: bytes | None) -> None:
        """Status 0: the line was cut, or the caller went away."""
        if self._file is None:
            return
        shown = body.decode(errors="replace") if body is not None and path.startswith(_TOLD_WHOLE) else None
        self.write("reply", n=number, path=path, user=user, status=status, body=shown)

    def event(self, event: UserEvent, fate: str) -> None:
        """A row changed. fate: ``sent``, or the fault that its push met."""
        if self._file is None:
            return
        _, payload = user_event_json(event)
        self.write(event.kind, fate=fate, **payload)

    def write(self, kind: str, **members: Any) -> None:
        """One line."""
        if self._file is not None:
            line = {"at": round(time.time(), 6), "kind": kind} | members
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
