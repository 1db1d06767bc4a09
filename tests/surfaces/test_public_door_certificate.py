"""What a proxy says about the client certificate, how it is judged, and that it never silences the desk by itself."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from desk.core.errors import ConfigError
from desk.surfaces.client_certificate import CertificateClaims, CertificateRule, CertificateWatch, claims_of
from load_env import load_settings
from tests.surfaces.doorstep import alert, config, post
from tests.surfaces.room import TOKEN, Room
from webhook_server import open_doors

HEADER = "X-Client-Cert"
# Self-signed, made for this test: O=TradingView, Inc., CN=renewed.example, SAN email:webhook-server@tradingview.com
CERTIFICATE = (
    "MIICUTCCAfigAwIBAgIUIlPFltdy7Ll2qi94hHXjOVjZqyAwCgYIKoZIzj0EAwIwaDELMAkGA1UEBhMCVVMxDTALBgNVBAgMBE9o"
    "aW8xFDASBgNVBAcMC1dlc3RlcnZpbGxlMRowGAYDVQQKDBFUcmFkaW5nVmlldywgSW5jLjEYMBYGA1UEAwwPcmVuZXdlZC5leGFt"
    "cGxlMCAXDTI2MTEyMTA3NTgxNVoYDzIxMjYxMDI4MDc1ODE1WjBoMQswCQYDVQQGEwJVUzENMAsGA1UECAwET2hpbzEUMBIGA1UE"
    "BwwLV2VzdGVydmlsbGUxGjAYBgNVBAoMEVRyYWRpbmdWaWV3LCBJbmMuMRgwFgYDVQQDDA9yZW5ld2VkLmV4YW1wbGUwWTATBgcq"
    "hkjOPQIBBggqhkjOPQMBBwNCAASQmfts/jj4VCN8Odb6nGc2FKwOZCTAvgEs6Bj9ZqfVMD40SAwQC4X7QxHtg4291VJ5xNRZsk4E"
    "e9PsxRJYtcVYo34wfDAdBgNVHQ4EFgQU6K1CYYJb6uKQOCj+Mt6MmXcu1pUwHwYDVR0jBBgwFoAU6K1CYYJb6uKQOCj+Mt6MmXcu"
    "1pUwDwYDVR0TAQH/BAUwAwEB/zApBgNVHREEIjAggR53ZWJob29rLXNlcnZlckB0cmFkaW5ndmlldy5jb20wCgYIKoZIzj0EAwID"
    "RwAwRAIgTyE9varh3T3EtlIyxwmK5BRh7BTky6gk8tnFA1K1facCIB5su7PxunAR8ooGN14PAOjPryUbOzVtlRmFUvMUK5pE"
)
FINGERPRINT = "e5b58c27e6bef89f6cb1b13e90ad7f335025af6035807f26b99c032d52d4a851"
RIGHT = r"CN=webhook-server@tradingview.com,O=TradingView\, Inc.,L=Westerville,ST=Ohio,C=US"
WRONG = "CN=webhook-server@tradingview.com,O=Somebody,C=US"


def escaped(body: str) -> str:
    """As nginx writes $ssl_client_escaped_cert."""
    return quote(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        'C=US, ST=Ohio, L=Westerville, O="TradingView, Inc.", CN=webhook-server@tradingview.com',
        "/C=US/ST=Ohio/L=Westerville/O=TradingView, Inc./CN=webhook-server@tradingview.com",
        r"CN=TradingView Webhooks,O=TradingView\, Inc.",
        r"O=TradingView\2C Inc.,CN=TradingView Webhooks",
        r"emailAddress=webhook-server@tradingview.com,CN=anything,O=TradingView\, Inc.",
        rf'Subject="{RIGHT}";Hash=ab12',
        r'Hash=ab12;Subject="CN=anything,O=\"TradingView, Inc.\"";SAN=email:webhook-server@tradingview.com',
        escaped(CERTIFICATE),
    ],
)
def test_the_names_of_the_help_pages_are_tradingviews_in_every_way_of_writing(text: str) -> None:
    claims = claims_of(text)
    assert claims is not None
    assert claims.is_tradingview


@pytest.mark.parametrize(
    "text",
    [
        WRONG,
        r"CN=somebody,O=TradingView\, Inc.",
        "CN=webhook-server@tradingview.com",
        "CN=O\\=TradingView\\, Inc.,CN=TradingView Webhooks",
        "O=TradingView Inc.,CN=TradingView Webhooks",
        rf'Subject="{WRONG}";SAN=email:webhook-server@tradingview.com',
    ],
)
def test_one_name_alone_is_not_enough(text: str) -> None:
    claims = claims_of(text)
    assert claims is not None
    assert not claims.is_tradingview


@pytest.mark.parametrize("text", ["", "-", "NONE", "(null)", "no certificate", escaped("AAAA"), "x" * 20_000])
def test_what_carries_no_certificate_is_none(text: str) -> None:
    assert claims_of(text) is None


def test_the_certificate_itself_is_read_with_its_alternative_names_and_fingerprint() -> None:
    assert claims_of(escaped(CERTIFICATE)) == CertificateClaims(
        frozenset({"TradingView, Inc."}),
        frozenset({"renewed.example"}),
        frozenset({"webhook-server@tradingview.com"}),
        FINGERPRINT,
    )


def test_a_fingerprint_beside_the_subject_is_kept_as_the_proxy_gives_it() -> None:
    claims = claims_of(rf'subject="{RIGHT}";fingerprint=0a1b')
    assert claims is not None
    assert claims.fingerprint == "0a1b"


@given(st.one_of(st.text(max_size=300), st.text('CN=O="/\\,;+ TradingView.Hash', max_size=60)))
def test_any_header_is_read_or_none(text: str) -> None:
    claims_of(text)


@given(st.data())
def test_a_damaged_certificate_is_read_or_none(data: st.DataObject) -> None:
    der = bytearray(base64.b64decode(CERTIFICATE))
    at = data.draw(st.integers(0, len(der) - 1))
    der[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    claims_of(escaped(base64.b64encode(bytes(der[:cut])).decode()))


# --- what is told, and when somebody is turned away -------------------------------------------------------------------


def looked_at(watch: CertificateWatch, *headers: str | None) -> list[tuple[bool, list[Any]]]:
    """Whether each passes, and what is logged about it. None: no header at all."""
    told = []
    for header in headers:
        with capture_logs() as lines:
            passes = watch.passes([] if header is None else [header], is_own_proxy=True)
        told.append((passes, [line["event"] for line in lines]))
    return told


def test_a_fault_is_told_when_it_starts_and_when_it_heals_and_blocks_nobody() -> None:
    watch = CertificateWatch(CertificateRule(HEADER))
    assert looked_at(watch, RIGHT, RIGHT, WRONG, WRONG, None, RIGHT) == [
        (True, []),
        (True, []),
        (True, ["certificate.not_tradingviews"]),
        (True, []),
        (True, ["certificate.not_tradingviews"]),
        (True, ["certificate.right_again"]),
    ]


def test_a_first_fingerprint_is_logged_and_another_one_is_warned_of_and_let_in() -> None:
    watch = CertificateWatch(CertificateRule(HEADER, is_required=True))
    first, other = (f'Subject="{RIGHT}";Hash={fingerprint}' for fingerprint in ("aa", "bb"))
    assert looked_at(watch, first, first, other, other) == [
        (True, ["certificate.first_seen"]),
        (True, []),
        (True, ["certificate.changed"]),
        (True, []),
    ]


def test_where_it_is_required_nothing_else_passes() -> None:
    watch = CertificateWatch(CertificateRule(HEADER, is_required=True))
    assert [passes for passes, _ in looked_at(watch, RIGHT, WRONG, None, "-")] == [True, False, False, False]
    assert not watch.passes([RIGHT], is_own_proxy=False)
    assert not watch.passes([WRONG, RIGHT], is_own_proxy=True)  # the proxy adds instead of overwriting


async def test_at_the_door_it_is_asked_after_the_secret_and_turns_away_like_a_wrong_one(room: Room) -> None:
    rules = config(certificate_header=HEADER, requires_certificate=True)
    async with open_doors(room.desk, rules) as doors, aiohttp.ClientSession() as http:
        url = f"{doors.public_url}/tv/{TOKEN}"
        with capture_logs() as lines:
            assert (await post(http, f"{doors.public_url}/tv/guess", headers={HEADER: WRONG}))[0] == 404
        assert "certificate.not_tradingviews" not in [line["event"] for line in lines]
        for path, secret in ((f"/tv/{TOKEN}", None), ("/webhook", TOKEN)):
            sent = alert(secret=secret)
            answer = await post(http, doors.public_url + path, sent, headers={HEADER: WRONG})
            assert answer == (404, {"error": "not found"})
            assert (await post(http, doors.public_url + path, sent, headers={HEADER: RIGHT}))[0] == 200
        assert (await post(http, url))[0] == 404
    assert len(room.alerts) == 2


async def test_at_the_door_a_renewal_degrades_to_a_warning(room: Room) -> None:
    async with (
        open_doors(room.desk, config(certificate_header=HEADER)) as doors,
        aiohttp.ClientSession() as http,
    ):
        with capture_logs() as lines:
            assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", headers={HEADER: "-"}))[0] == 200
    (line,) = [line for line in lines if line["event"] == "certificate.not_tradingviews"]
    assert line["meaning"] == "the addresses and the secret alone decide"


def test_requiring_it_without_a_header_is_a_contradiction() -> None:
    with pytest.raises(ConfigError, match="WEBHOOK_CLIENT_CERT_HEADER is missing"):
        load_settings({"WEBHOOK_CLIENT_CERT": "require"}, None)
    settings = load_settings({"WEBHOOK_CLIENT_CERT": "require", "WEBHOOK_CLIENT_CERT_HEADER": HEADER}, None)
    assert (settings.webhook_client_cert_header, settings.webhook_client_cert) == (HEADER, "require")
