"""The trading desk daemon: arguments, wiring, start, stop, exit code. ``python trading_bot.py --help``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desk.core.errors import AuthFailed, ConfigError, DeskError
from desk.core.version import VERSION

if TYPE_CHECKING:
    from desk.gateway import GatewayConfig
    from desk.runtime.session import Session
    from load_env import Settings

EXIT_OK, EXIT_FAILED, EXIT_CONFIG, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until it is stopped. 0: stopped in order; 1: failed, the reason on standard error; 2: settings are wrong."""
    options = _parser().parse_args(arguments)
    try:
        from load_env import load_settings  # after the arguments: --help costs no import

        def read() -> Settings:
            return load_settings(env_file=options.env_file or Path(".env"), must_exist=options.env_file is not None)

        settings = read()
        if options.command == "explain":
            from desk.surfaces.explain_offline import explain_file

            return explain_file(settings, options.file, options.bot, _paper_contracts)
        has_console = not options.no_console and sys.stdin is not None and sys.stdin.isatty()
        return asyncio.run(_run(settings, has_console, read))
    except AuthFailed as refused:
        print(f"The gateway refused the login: {refused.text}. Check PROJECT_X_USERNAME and PROJECT_X_API_KEY, and that "
              "the key is linked in TopstepX under Settings > API.", file=sys.stderr)  # fmt: skip
        return EXIT_FAILED
    except DeskError as failed:
        print(failed, file=sys.stderr)
        return EXIT_CONFIG if isinstance(failed, ConfigError) else EXIT_FAILED
    except KeyboardInterrupt:  # before the signals were ours: nothing had begun
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trading_bot.py",
        description="TradingView alerts and console commands into protected TopstepX futures orders, on your own computer. "
        "Without credentials it trades on a simulated gateway (paper mode).",
        epilog="Settings come from the environment and from .env; every key is explained in .env.example.",
    )
    parser.add_argument("--no-console", action="store_true", help="run as a daemon, without the interactive console")
    parser.add_argument("--env-file", type=Path, help="file with settings (default: .env, if it is there)")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", title="instead of running", metavar="COMMAND")
    explain = commands.add_parser("explain", help="what an alert would do; sends nothing, needs no login")
    explain.add_argument("file", metavar="FILE", help="file with the text of the alert; - reads standard input")
    explain.add_argument("--bot", help="whose alert it is (default: the first bot)")
    return parser


def _paper_contracts() -> bytes:
    """What the simulated gateway lists today, as its answer writes it."""
    import json
    from datetime import UTC, datetime

    from desk.sim.catalogue import Catalogue
    from desk.sim.sessions import listing_day
    from desk.sim.wire import contract_json

    return json.dumps([contract_json(row) for row in Catalogue().available(listing_day(datetime.now(UTC)))]).encode()


async def _run(settings: Settings, has_console: bool, read_settings: Callable[[], Settings]) -> int:
    """Everything in the order in which it must close: lock, journal, main loop, doors, gateway, hubs, lanes.

    read_settings: once more, for ``reload``.
    """
    from desk.gateway import GatewayClient, HubPool
    from desk.runtime.bartiers import bar_tiers
    from desk.runtime.config import session_config
    from desk.runtime.executor import Executor
    from desk.runtime.logs import configure_logging
    from desk.runtime.session import Session
    from desk.runtime.signals import stop_on_signals
    from desk.runtime.threads import keep_loop_first
    from desk.store import instance_lock, login_key, open_journal
    from webhook_server import open_doors

    keep_loop_first()
    is_live = settings.trading_mode == "live"
    login = login_key(settings.project_x_api_url, settings.project_x_username or "") if is_live else None
    async with AsyncExitStack() as stack:
        stack.callback(configure_logging(settings.log_level, settings.log_format, use_colour=not settings.no_color))
        stack.enter_context(instance_lock(settings.data_dir, login))
        journal = await stack.enter_async_context(open_journal(settings.data_dir))
        await journal.claim(login or "paper")
        tiers = await stack.enter_async_context(bar_tiers(settings))
        session = Session(journal, session_config(settings, read_settings), tiers=tiers)
        interrupts = stop_on_signals(session.desk.stop, session.last_words)
        await stack.enter_async_context(session.main_loop_running())
        doors = await stack.enter_async_context(open_doors(session.desk, _doors_config(settings)))
        config = await stack.enter_async_context(_gateway_config(settings))
        gateway = await stack.enter_async_context(GatewayClient(config))
        pool = await stack.enter_async_context(HubPool(settings.websocket_pool_max_size))
        executor = await stack.enter_async_context(Executor(gateway, session.desk.inbox, session.desk.clock))
        await session.serve(gateway, pool, executor, _surface(session, doors.urls, settings, has_console, interrupts))
    return EXIT_OK


async def _surface(session: Session, urls: Any, settings: Settings, has_console: bool, interrupts: Any) -> None:
    """What a person at this terminal sees: the banner once all is up, and the console. Ends with the program."""
    from desk.surfaces.banner import banner_page
    from desk.surfaces.console import print_page, run_console

    async def banner() -> None:
        await session.is_ready.wait()
        try:
            for hint in settings.hints:
                print(hint)
            print_page(banner_page(session.desk, urls, is_kept=not sys.stdout.isatty()), no_color=settings.no_color)
        except OSError:
            pass  # whoever should have read it is gone; trading goes on

    if not has_console:
        await banner()
        return
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(banner(), name="banner")
        await run_console(session.desk, settings.data_dir, urls, no_color=settings.no_color, interrupts=interrupts)


def _doors_config(settings: Settings) -> Any:
    from desk.store import load_or_make_token
    from webhook_server import DoorsConfig

    token, made = settings.api_token, settings.data_dir / "api.token"
    return DoorsConfig(
        api_token=token or load_or_make_token(settings.data_dir, "api"),
        api_token_file=None if token else str(made),
        webhook_host=settings.webhook_host, webhook_port=settings.webhook_port, api_port=settings.api_port,
        allowed_ips=settings.webhook_allowed_ips,
        proxy_header=settings.webhook_proxy_header,
        certificate_header=settings.webhook_client_cert_header,
        requires_certificate=settings.webhook_client_cert == "require",
    )  # fmt: skip


@asynccontextmanager
async def _gateway_config(settings: Settings) -> AsyncIterator[GatewayConfig]:
    """The real gateway, read-only for now; or a simulated one, which runs as long as the block."""
    from desk.core.secret import Secret
    from desk.gateway import GatewayConfig

    if settings.trading_mode == "live":
        yield GatewayConfig(
            api_url=settings.project_x_api_url,
            user_hub_url=settings.project_x_user_hub_url,
            market_hub_url=settings.project_x_market_hub_url,
            username=settings.project_x_username or "",
            api_key=settings.project_x_api_key or Secret(""),
            timeout_s=settings.api_timeout_s,
            read_only=True,
        )
        return
    async with _simulator(settings) as url:
        yield GatewayConfig(
            api_url=url, user_hub_url=f"{url}/hubs/user", market_hub_url=f"{url}/hubs/market",
            username="paper", api_key=Secret("paper"), timeout_s=settings.api_timeout_s,
        )  # fmt: skip


@asynccontextmanager
async def _simulator(settings: Settings) -> AsyncIterator[str]:
    if settings.paper_gateway_url is not None:
        yield settings.paper_gateway_url.rstrip("/")
        return
    from desk.sim import SimConfig, SimServer, StateFileError

    paper = settings.data_dir / "paper"
    try:
        paper.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{paper} cannot be used ({exc.strerror}): move it away, or set another DATA_DIR") from exc
    try:
        async with SimServer(SimConfig(seed=settings.paper_seed, state_file=paper / "gateway.sqlite3")) as sim:
            yield sim.url
    except StateFileError as unusable:
        advice = "\nSet PAPER_SEED back, or start afresh with another DATA_DIR." if "of seed" in str(unusable) else ""
        raise ConfigError(f"{unusable}{advice}") from unusable


if __name__ == "__main__":
    sys.exit(main())
