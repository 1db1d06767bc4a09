"""Who is calling, as far as it can be known: the address, and what may be believed of a header (TradingView reference 4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

__all__ = ["AllowedSources", "is_own_proxy"]


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """Which addresses may post. ``networks`` None: all. ``proxy_header``: where our own proxy on this computer names
    the sender; only its last hop counts, for the ones before are whatever the sender wrote.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] | None = None
    proxy_header: str | None = None

    @classmethod
    def of(cls, allowed: Sequence[str] | None, proxy_header: str | None) -> AllowedSources:
        networks = None if allowed is None else tuple(ipaddress.ip_network(text, strict=False) for text in allowed)
        return cls(networks, proxy_header)

    def source(self, request: web.Request) -> str:
        """The sender's address as far as it can be known."""
        peer = request.remote or ""
        if self.proxy_header is None or not is_own_proxy(request):
            return peer
        hops = ",".join(request.headers.getall(self.proxy_header, [])).split(",")
        return hops[-1].strip()[:64] or peer

    def allows(self, source: str) -> bool:
        if self.networks is None:
            return True
        address = _address(source)
        return address is not None and any(address in network for network in self.networks)


def is_own_proxy(request: web.Request) -> bool:
    """Whether the connection comes from this computer, where the tunnel or proxy runs: only then its headers count."""
    address = _address(request.remote or "")
    return address is not None and address.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
