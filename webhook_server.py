"""The two doors of the desk, as two aiohttp applications on two listeners (design: the public one can be exposed by a
tunnel, the private one never is).

public   ``POST /tv/<token>``, ``POST /webhook``, ``GET /health``             desk/surfaces/http_public.py
private  ``/api/...``, ``POST /api/command``, detailed ``/health``; Bearer    desk/surfaces/http_private.py
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from desk.core.secret import Secret
from desk.runtime.desk import Desk
from desk.surfaces.calls import Urls
from desk.surfaces.client_certificate import CertificateRule
from desk.surfaces.door_limits import DEFAULT_LIMITS, DoorLimits
from desk.surfaces.door_sources import AllowedSources
from desk.surfaces.http_private import PrivateDoor
from desk.surfaces.http_public import PublicDoor
from desk.surfaces.http_server import listening

__all__ = ["Doors", "DoorsConfig", "open_doors"]

_PRIVATE_HOST = "127.0.0.1"
_ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - recognised, not chosen

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorsConfig:
    """Ports: 0 takes a free one. ``allowed_ips`` None: whoever knows the secret may post."""

    api_token: Secret
    webhook_host: str = "127.0.0.1"
    webhook_port: int = 8080
    api_port: int = 8081
    allowed_ips: tuple[str, ...] | None = None
    proxy_header: str | None = None  # only behind a proxy or tunnel on this computer
    certificate_header: str | None = None  # where that proxy reports the client certificate; None: nobody looks at it
    requires_certificate: bool = False
    limits: DoorLimits = DEFAULT_LIMITS
    api_token_file: str | None = None  # shown in hints; None: the token came from a setting
    body_timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Doors:
    """Both listen."""

    urls: Urls

    @property
    def public_url(self) -> str:
        return self.urls.public

    @property
    def private_url(self) -> str:
        return self.urls.private


@asynccontextmanager
async def open_doors(desk: Desk, config: DoorsConfig) -> AsyncIterator[Doors]:
    """Both doors, open until the block ends, closed within a second. Set ``desk.phase`` to STOPPING some time before.

    Raises ConfigError, naming port and setting, when one cannot be had; then none is open.
    """
    sources = AllowedSources.of(config.allowed_ips, config.proxy_header)
    rule = None
    if config.certificate_header is not None:
        rule = CertificateRule(config.certificate_header, config.requires_certificate)
    public = PublicDoor(desk, sources, certificate=rule, limits=config.limits, body_s=config.body_timeout_s)
    private = PrivateDoor(desk, config.api_token, _urls(config, config.webhook_port, config.api_port))
    async with AsyncExitStack() as stack:
        api_port = await stack.enter_async_context(
            listening(private.app(), _PRIVATE_HOST, config.api_port, "API_PORT", private.porter)
        )
        webhook_port = await stack.enter_async_context(
            listening(public.app(), config.webhook_host, config.webhook_port, "WEBHOOK_PORT", public.porter)
        )
        private.urls = _urls(config, webhook_port, api_port)
        log.info("doors.opened", public=private.urls.public, private=private.urls.private)
        yield Doors(private.urls)


def _urls(config: DoorsConfig, webhook_port: int, api_port: int) -> Urls:
    host = config.webhook_host
    shown = "127.0.0.1" if host in _ANY_ADDRESS else f"[{host}]" if ":" in host else host
    return Urls(f"http://{shown}:{webhook_port}", f"http://{_PRIVATE_HOST}:{api_port}", config.api_token_file)
