"""The floors, as a process: ``POST /forward`` passes the body on with a pooled session, ``POST /ok`` answers ok.

Bare aiohttp, nothing of ours: what any webhook in this language on this machine costs at least.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
from aiohttp import web

__all__: list[str] = []


async def serve(target: str) -> None:
    """Until standard input ends. target: where forwarded bodies go."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def forward(request: web.Request) -> web.Response:
            entered = time.monotonic()
            body = await request.read()
            posted = time.monotonic()
            async with session.post(target, data=body, headers={"Content-Type": "application/json"}) as reply:
                await reply.read()
            return web.Response(text=f"[{entered!r},{posted!r}]")

        async def ok(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_post("/forward", forward)
        app.router.add_post("/ok", ok)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"listening: http://127.0.0.1:{site.port}", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
