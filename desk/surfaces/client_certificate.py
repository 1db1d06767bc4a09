"""TradingView's client certificate, as a proxy on this computer reports it (TradingView reference 4).

The proxy ends TLS, asks for the certificate without insisting on a known issuer, and overwrites one header with what it
saw: the certificate itself (nginx: ``$ssl_client_escaped_cert``), its subject (``$ssl_client_s_dn``), or pairs such as
``Subject="CN=...,O=...";Hash=...``. Anybody can write these names into a certificate of his own: they are one more sign
beside secret and address, and only the fingerprint cannot be copied. It changes with each renewal, so a change is told
and never blocks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import structlog

__all__ = ["CertificateClaims", "CertificateRule", "CertificateWatch", "claims_of"]

ORGANISATION = "TradingView, Inc."
EMAIL = "webhook-server@tradingview.com"
COMMON_NAMES = frozenset({EMAIL, "TradingView Webhooks"})  # the newer and the older page of TradingView's help

_MOST = 16 * 1024  # characters of a header
_NOBODY = frozenset({"", "-", "none", "null", "(null)"})
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(?P<body>[A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_PAIR = re.compile(
    r'\s*(?P<key>[A-Za-z0-9_-]{1,40})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^;]*))\s*(?:;|\Z)'
)
_PAIR_NAMES = {"subject": "subject", "hash": "print", "fingerprint": "print", "sha256": "print",
               "san": "san", "email": "san"}  # fmt: skip
_NAME = re.compile(
    r'\s*(?P<key>[A-Za-z][A-Za-z0-9.]*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>(?:[^,+\\]|\\.)*))(?:[,+]|\Z)'
)
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CertificateClaims:
    """What a certificate says about its owner. fingerprint: as the proxy gives it, or SHA-256 in hex; None: not told."""

    organisations: frozenset[str] = frozenset()
    common_names: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    fingerprint: str | None = None

    @property
    def is_tradingview(self) -> bool:
        """The organisation, and the e-mail address or one of the two common names that the help pages give."""
        return ORGANISATION in self.organisations and (
            EMAIL in self.emails or not COMMON_NAMES.isdisjoint(self.common_names)
        )


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """header: in which our proxy reports it. is_required: without TradingView's nobody may post; else it is only told."""

    header: str
    is_required: bool = False


class CertificateWatch:
    """Looks at each authenticated request, and tells changes only: a fault when it starts, and when it heals."""

    def __init__(self, rule: CertificateRule) -> None:
        self.rule = rule
        self._problem: str | None = None
        self._fingerprint: str | None = None

    def passes(self, values: Sequence[str], *, is_own_proxy: bool) -> bool:
        """Whether the request may go on. values: of the rule's header; is_own_proxy: whether they may be believed."""
        claims, problem = self._judged(values, is_own_proxy)
        if problem != self._problem:
            self._tell(problem)
        if problem is None and claims is not None and claims.fingerprint is not None:
            self._note(claims.fingerprint)
        return problem is None or not self.rule.is_required

    def _judged(self, values: Sequence[str], is_own_proxy: bool) -> tuple[CertificateClaims | None, str | None]:
        if not is_own_proxy:
            return None, "the request did not come through the proxy on this computer"
        if len(values) > 1:
            return None, f"{self.rule.header} came {len(values)} times: the proxy must overwrite it, not add to it"
        claims = claims_of(values[0]) if values else None
        if claims is None:
            return None, f"{self.rule.header} carries no certificate"
        return claims, None if claims.is_tradingview else "the certificate does not name TradingView"

    def _tell(self, problem: str | None) -> None:
        self._problem = problem
        if problem is None:
            log.info("certificate.right_again")
            return
        meaning = "turned away" if self.rule.is_required else "the addresses and the secret alone decide"
        log.warning("certificate.not_tradingviews", problem=problem, meaning=meaning)

    def _note(self, fingerprint: str) -> None:
        if self._fingerprint is None:
            log.info("certificate.first_seen", fingerprint=fingerprint)
        elif fingerprint != self._fingerprint:
            log.warning("certificate.changed", before=self._fingerprint, now=fingerprint,
                        meaning="a renewal, or somebody else: compare it with another alert's")  # fmt: skip
        self._fingerprint = fingerprint


def claims_of(text: str) -> CertificateClaims | None:
    """What a header says; None: that there was no certificate, or nothing that can be read."""
    text = text.strip()
    if len(text) > _MOST or text.lower() in _NOBODY:
        return None
    if "BEGIN" in text:
        pem = _PEM.search(unquote(text))
        return None if pem is None else _claims_of_pem(pem["body"])
    pairs = _pairs(text)
    names = _names(pairs.get("subject", "") if pairs else text)
    emails = names.get("emailaddress", set()) | names.get("email", set())
    emails |= {san.strip().removeprefix("email:") for san in pairs.get("san", "").split(",")} - {""}
    if not (names or emails):
        return None
    return CertificateClaims(
        frozenset(names.get("o", ())), frozenset(names.get("cn", ())), frozenset(emails), pairs.get("print") or None
    )


def _pairs(text: str) -> dict[str, str]:
    """``Subject="...";Hash=...`` under our names for the keys; empty when the text is a bare subject."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        name = _PAIR_NAMES.get(match["key"].lower())
        if name is not None:
            quoted = match["quoted"]
            found.setdefault(name, (match["bare"] if quoted is None else quoted.replace('\\"', '"')).strip())
    return found


def _names(subject: str) -> dict[str, set[str]]:
    """Attributes of a subject by their lower-case name: RFC 4514 (``CN=...,O=...``) or the older ``/O=.../CN=...``."""
    found: dict[str, set[str]] = {}
    if subject.startswith("/"):
        for part in re.split(r"/(?=[A-Za-z][A-Za-z0-9.]*=)", subject[1:]):
            key, _, value = part.partition("=")
            found.setdefault(key.strip().lower(), set()).add(value.strip())
        return found
    for match in _NAME.finditer(subject):
        value = match["quoted"] if match["bare"] is None else _unescaped(match["bare"].strip())
        found.setdefault(match["key"].lower(), set()).add(value)
    return found


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], value)


# -- the certificate itself: as much DER as is needed to read its names (RFC 5280) -----------------------------------------

_ORGANISATION_ID, _COMMON_NAME_ID = b"\x55\x04\x0a", b"\x55\x04\x03"
_EMAIL_ID, _ALTERNATIVE_NAMES_ID = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", b"\x55\x1d\x11"
_SEQUENCE, _SET, _OBJECT_ID, _OCTETS, _VERSION, _EXTENSIONS, _SAN_EMAIL = 0x30, 0x31, 0x06, 0x04, 0xA0, 0xA3, 0x81
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
_SUBJECT_AT = 4  # serial number, signature, issuer, validity, subject


class _NotDer(ValueError):
    """The bytes are no certificate."""


def _claims_of_pem(body: str) -> CertificateClaims | None:
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
        fields = list(_items(_one(_one(der, _SEQUENCE), _SEQUENCE)))
        if fields and fields[0][0] == _VERSION:
            del fields[0]
        if len(fields) <= _SUBJECT_AT:
            return None
        names: dict[bytes, set[str]] = {}
        for key, value in _attributes(fields[_SUBJECT_AT][1]):
            names.setdefault(key, set()).add(value)
        emails = names.get(_EMAIL_ID, set()) | set(_alternative_emails(fields[_SUBJECT_AT:]))
    except (_NotDer, UnicodeDecodeError, binascii.Error):
        return None
    return CertificateClaims(
        frozenset(names.get(_ORGANISATION_ID, ())),
        frozenset(names.get(_COMMON_NAME_ID, ())),
        frozenset(emails),
        hashlib.sha256(der).hexdigest(),
    )


def _attributes(name: bytes) -> Iterator[tuple[bytes, str]]:
    """Of a distinguished name: a sequence of sets of (object id, text)."""
    for _, group in _items(name):
        for _, pair in _items(group):
            parts = list(_items(pair))
            if len(parts) == 2 and parts[0][0] == _OBJECT_ID and parts[1][0] in _STRINGS:
                yield parts[0][1], parts[1][1].decode(_STRINGS[parts[1][0]])


def _alternative_emails(fields: Sequence[tuple[int, bytes]]) -> Iterator[str]:
    for tag, wrapped in fields:
        if tag != _EXTENSIONS:
            continue
        for _, extension in _items(_one(wrapped, _SEQUENCE)):
            parts = list(_items(extension))
            if parts and parts[0][1] == _ALTERNATIVE_NAMES_ID and parts[-1][0] == _OCTETS:
                names = _items(_one(parts[-1][1], _SEQUENCE))
                yield from (value.decode("ascii") for kind, value in names if kind == _SAN_EMAIL)


def _one(data: bytes, tag: int) -> bytes:
    """The content of the first item, which must be of that kind."""
    found, content = next(_items(data), (None, b""))
    if found != tag:
        raise _NotDer
    return content


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each item, definite lengths only. Raises _NotDer where the bytes end too early."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise _NotDer
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            digits = size & 0x7F
            if not 1 <= digits <= 4 or at + digits > len(data):
                raise _NotDer
            size, at = int.from_bytes(data[at : at + digits], "big"), at + digits
        if at + size > len(data):
            raise _NotDer
        yield tag, data[at : at + size]
        at += size
