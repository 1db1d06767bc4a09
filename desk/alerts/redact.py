"""No secret survives in what is kept (TradingView reference 4): neither under a secret's name nor as a known value.

Works on the text, so that the journal shows what was sent; the caller keeps the hash of the original bytes. Where
escapes could hide something from a pattern, the body is written anew from its redacted tree instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import quote

from desk.alerts.wire import Json, JsonObject, Number, dump
from desk.core.secret import Secret

__all__ = ["MASK", "Redactor", "is_secret_name", "secret_of_object", "secret_of_text", "secrets_of_text"]

MASK = "***"
SECRET_KEYS = ("secret", "token", "key", "passphrase", "password")  # the first that is there is the sender's secret

_HINTS = ("secret", "token", "passw", "passphrase", "key")  # every secret's name holds one of these
_WORDS = r"(?:secret|token|password|passwd|passphrase|api_?key|(?<![a-z])key)"
_NAME = re.compile(_WORDS + r"\s*\Z", re.IGNORECASE | re.ASCII)
_MOST = 100  # names in one text; beyond that it is an attack on this module, and all of it is masked
_LONGEST = 1000  # characters of a value that the pattern reaches
_QUOTE = "\\\\{0,4}[\"'`\u201c\u201d\u2018\u2019]"  # straight, back, typographic; escaped where JSON holds JSON
_PAIR = re.compile(
    rf"(?P<name>{_WORDS})(?P<sign>\s*+(?:{_QUOTE})?+\s*+[:=]\s*+)"
    # a quoted value ends at a quote with a separator behind it, so that a stray quote inside does not end it early
    rf"(?:(?P<open>{_QUOTE})(?P<quoted>[^\n\r]{{0,1024}}?)(?P<close>{_QUOTE})(?=\s*+(?:[,;&}}\])]|\Z)|\s*[\n\r])"
    # a bare one ends at a separator; at a comma or a blank only when another name follows
    rf"|(?P<bare>(?:(?!\s{{0,8}},\s{{0,8}}{_QUOTE}|[ \t]{{1,8}}[a-z]{{1,3}}=[^\s=])[^;&\n\r}}])+))",
    re.IGNORECASE | re.ASCII,
)


@lru_cache(maxsize=512)
def is_secret_name(name: str) -> bool:
    """``secret``, ``API_KEY``, ``webhook-token`` ...; not ``monkey`` and not ``keys``."""
    return _NAME.search(name) is not None


def secret_of_object(data: JsonObject) -> str | None:
    """The sender's secret at the top of one JSON object, whatever the dialect calls it; else the one that the entries of
    PickMyTrade's account list share."""
    for wanted in SECRET_KEYS:
        for name, value in data.items():
            if isinstance(value, str) and name.strip().lower() == wanted and value:
                return str(value)
    listed = data.get("multiple_accounts")
    entries = listed if isinstance(listed, list) else []
    tokens = {
        str(token) for entry in entries if isinstance(entry, dict) and isinstance(token := entry.get("token"), str)
    }
    return tokens.pop() if len(tokens) == 1 else None


def secret_of_text(text: str) -> str | None:
    """The same from ``key=value`` text, or from JSON too broken to parse."""
    found = secrets_of_text(text)
    return next((found[name] for name in SECRET_KEYS if name in found), None)


def secrets_of_text(text: str) -> dict[str, str]:
    """What stands first under each name of a secret, wherever it is: of a JSON body also in its comments."""
    found: dict[str, str] = {}
    for match in _pairs(text) or ():
        value = match["quoted"] if match["bare"] is None else match["bare"].strip()
        if value:
            found.setdefault(match["name"].lower(), value)
    return found


class Redactor:
    """Replaces secrets in texts and trees: what stands under a secret's name, and each of ``known`` wherever it is."""

    def __init__(self, known: Collection[Secret] = ()) -> None:
        self._known = {secret.reveal() for secret in known} - {""}
        self._forms = _written_forms(self._known)

    def add(self, value: str) -> None:
        """A secret that the body itself named. Short ones are not hunted for: ``1`` would blank every number."""
        if len(value) >= 8 and value not in self._known:
            self._known.add(value)
            self._forms = _written_forms(self._known)

    def text(self, text: str) -> str:
        return self._without_known(_without_pairs(text))

    def _without_known(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def json(self, text: str, tree: Json) -> tuple[str, Json]:
        """What is kept of a valid JSON body, and its tree without secrets.

        The text stays as it was sent where the pattern sees all of it; else it is written anew from the redacted tree.
        """
        shallow = self._shallow(text, tree)
        redacted = self.tree(tree) if shallow is None else shallow
        if shallow is None and ("\\" in text or _is_out_of_reach(tree)):
            return dump(redacted), redacted
        return self.text(text), redacted

    def _shallow(self, text: str, tree: Json) -> Json:
        """The usual body, fast: secrets only as plain values at the top. None when that is not sure."""
        if not isinstance(tree, dict) or "\\" in text:
            return None
        names = [name for name in tree if is_secret_name(name)]
        low, rest = text.lower(), text
        if sum(low.count(hint) for hint in _HINTS) != len(names):
            return None  # more of them than names at the top: look everywhere
        for name in names:
            value = tree[name]
            if not isinstance(value, str) or len(value) > _LONGEST:
                return None
            rest = rest.replace(value, "", 1)
        if any(form in rest for form in self._forms):
            return None
        return {**tree, **dict.fromkeys(names, MASK)}

    def tree(self, value: Json) -> Json:
        if isinstance(value, Number):
            return Number(MASK) if value in self._known else value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._member(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.tree(inner) for inner in value]
        return value

    def _member(self, name: str, value: Json) -> Json:
        if is_secret_name(name) and value is not None:
            return MASK
        redacted = self.tree(value)
        if name == "id" and redacted != value:  # masked ids would all be equal, and equal ids are duplicates
            return f"sha256:{hashlib.sha256(dump(value).encode()).hexdigest()}"
        return redacted


def _without_pairs(text: str) -> str:
    """Mask what stands behind a secret's name."""
    pairs = _pairs(text)
    if pairs is None:
        return MASK
    if not pairs:
        return text
    pieces, done = [], 0
    for match in pairs:
        pieces += [text[done : match.start()], _masked(match)]
        done = match.end()
    return "".join(pieces) + text[done:]


def _pairs(text: str) -> list[re.Match[str]] | None:
    """Each secret's name with its value, without overlap; None: too many. Plain search finds the names ten times faster
    than the pattern alone would."""
    low = text.lower()
    if len(low) != len(text):  # some letter grew when lowered; names are ASCII, so the others need no lowering
        low = "".join(char.lower() if char.isascii() else char for char in text)
    counts = [(hint, count) for hint in _HINTS if (count := low.count(hint))]
    if sum(count for _, count in counts) > _MOST:
        return None
    found: list[re.Match[str]] = []
    done = 0
    for start in sorted(match.start() for hint, _ in counts for match in re.finditer(hint, low)):
        at = start - 3 if low.startswith("api", max(start - 3, 0)) else start
        if at >= done and (match := _PAIR.match(text, at)):
            found.append(match)
            done = match.end()
    return found


def _masked(match: re.Match[str]) -> str:
    if match["bare"] is not None:
        return f"{match['name']}{match['sign']}{MASK}"
    return f"{match['name']}{match['sign']}{match['open']}{MASK}{match['close']}"


def _written_forms(secrets: Collection[str]) -> list[str]:
    """Every way a secret may be spelt in a body, longest first, so that a part never hides the whole."""
    forms: set[str] = set()
    for secret in secrets:
        escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
        forms |= {secret, escaped, json.dumps(secret)[1:-1], escaped.replace("/", "\\/"), quote(secret, safe="")}
    return sorted(forms, key=len, reverse=True)


def _is_out_of_reach(value: Json) -> bool:
    """A secret that the pattern cannot mask in place: an object, a list, or a text beyond the pattern's bound."""
    if isinstance(value, dict):
        return any(
            (
                is_secret_name(name)
                and (isinstance(inner, dict | list) or (isinstance(inner, str) and len(inner) > _LONGEST))
            )
            or _is_out_of_reach(inner)
            for name, inner in value.items()
        )
    return isinstance(value, list) and any(map(_is_out_of_reach, value))
