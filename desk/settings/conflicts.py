"""Settings that are legal alone and contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["conflicts"]


def conflicts(values: Mapping[str, Any]) -> list[str]:
    """What contradicts itself. A key whose text was refused is not in ``values``."""
    problems = []
    port, size, token = values.get("webhook_port"), values.get("position_size"), values.get("webhook_token")
    if port and port == values.get("api_port"):
        problems.append("WEBHOOK_PORT and API_PORT must differ: the public and the private door are two listeners")
    if size is not None and size > (values.get("max_position_size") or size):
        problems.append("MAX_POSITION_SIZE must be at least POSITION_SIZE")
    if values.get("foreign_positions") == "protect" and values.get("foreign_stop_ticks", "refused") is None:
        problems.append("FOREIGN_STOP_TICKS is missing: FOREIGN_POSITIONS=protect needs the distance of the stop")
    if token is not None and token == values.get("api_token"):
        problems.append("WEBHOOK_TOKEN and API_TOKEN must differ: who may post alerts may not enter the private door")
    if values.get("webhook_client_cert") == "require" and values.get("webhook_client_cert_header", "refused") is None:
        problems.append("WEBHOOK_CLIENT_CERT_HEADER is missing: WEBHOOK_CLIENT_CERT=require needs the proxy's header")
    if values.get("redis_host"):
        if values.get("redis_url") is not None:
            problems.append("REDIS_URL and REDIS_HOST name the server twice: keep one of them")
    elif values.get("redis_host", "refused") is None and values.get("redis_port", 6379) != 6379:
        problems.append("REDIS_PORT belongs to REDIS_HOST, which is missing: set it, or write both into REDIS_URL")
    return problems
