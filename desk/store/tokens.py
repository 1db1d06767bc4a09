"""Secrets that the program makes for itself at its first start and keeps in DATA_DIR."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from desk.core.errors import StoreError
from desk.core.secret import Secret

__all__ = ["load_or_make_token"]

_TOKEN_BYTES = 16
_SHORTEST = 16  # characters; whoever writes his own token into the file may not make it guessable
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def load_or_make_token(data_dir: Path, name: str) -> Secret:
    """The token in ``DATA_DIR/<name>.token``, made at the first call (128 random bits, URL-safe) and kept for good.

    name: lower-case letters, digits, underscores and hyphens. The file is readable by its owner only (mode 0600; on Windows by
    whoever may read the directory). Raises StoreError, without the token, when the file cannot be read, made or used.
    """
    assert _NAME.fullmatch(name), "a token's name becomes a file name"
    path = data_dir / f"{name}.token"
    try:
        if not path.exists():
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(path, secrets.token_urlsafe(_TOKEN_BYTES))
        elif path.stat().st_mode & 0o077 and os.name == "posix":
            path.chmod(0o600)
        token = path.read_text(encoding="ascii").strip()
    except OSError as exc:
        raise StoreError(f"the token file {path} cannot be used: {exc.strerror or exc}") from exc
    except UnicodeDecodeError:
        raise StoreError(f"the token file {path} is damaged: delete it to get a new token") from None
    if len(token) < _SHORTEST:
        raise StoreError(f"the token in {path} has less than {_SHORTEST} characters: delete the file to get a new one")
    return Secret(token)


def _write_private(path: Path, text: str) -> None:
    """Write under another name, then move: nobody ever reads half a token, or one that others may read."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
