"""``python -m desk.sim --port 9100``: the simulated gateway alone, for any ProjectX client."""

import argparse
import asyncio
import errno
import logging
import signal
import sys
from pathlib import Path

from desk.sim.config import DEFAULT_ACCOUNTS, SimConfig, parse_latency


class _Parser(argparse.ArgumentParser):
    """One line for a mistake instead of the whole usage."""

    def error(self, message: str) -> "None":  # type: ignore[override]
        """Exit code 2."""
        print(f"desk.sim: {message}; --help has them all", file=sys.stderr)
        sys.exit(2)


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="python -m desk.sim", description=__doc__, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same prices for ever")
    parser.add_argument("--hours", choices=("always", "exchange"), default="always", help="exchange: real sessions")
    parser.add_argument("--replay", metavar="FILE", help="bars or ticks as CSV or Parquet instead of generated prices")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="of the replay, up to 1000")
    parser.add_argument("--faults", metavar="FILE", help="TOML; POST /sim/fault plans more")
    parser.add_argument("--burst", metavar="EVENTS/SECONDS", help="as at 08:30 CT, from the first subscription on")
    parser.add_argument("--latency", default="", metavar="login=270,accounts=230", help="milliseconds per endpoint")
    parser.add_argument("--accounts", metavar="FILE", help="TOML, one [[account]] each")
    parser.add_argument("--state", metavar="FILE", help="keep accounts, orders and trades in this file")
    parser.add_argument("--log", metavar="FILE", help="JSON lines: every request, reply, change of a row, fault")
    parser.add_argument("--market", choices=("generated", "manual"), default="generated")
    parser.add_argument("--fill-delay", type=float, default=8.0, metavar="MS")
    parser.add_argument("--cut-frames", type=int, metavar="CHARS", help="hub messages end in the middle of frames")
    parser.add_argument("--no-rate-limits", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="no set-up lines, warnings only")
    return parser.parse_args()


def _config(arguments: argparse.Namespace) -> SimConfig:
    """Checked settings. Raises ValueError with one line."""
    from desk.sim.accountfile import read_accounts
    from desk.sim.faultfile import read_faults

    if not 0 <= arguments.port <= 65_535:
        raise ValueError(f"--port {arguments.port}: from 0 to 65535")
    if arguments.cut_frames is not None and arguments.cut_frames < 1:
        raise ValueError(f"--cut-frames {arguments.cut_frames}: at least 1")
    if not 0 <= arguments.fill_delay <= 60_000:
        raise ValueError(f"--fill-delay {arguments.fill_delay:g}: from 0 to 60000 ms")
    if arguments.speed != 1.0 and arguments.replay is None:
        raise ValueError("--speed goes with --replay")
    if arguments.faults is not None:
        read_faults(Path(arguments.faults))
    return SimConfig(
        host=arguments.host,
        port=arguments.port,
        seed=arguments.seed,
        accounts=DEFAULT_ACCOUNTS if arguments.accounts is None else read_accounts(Path(arguments.accounts)),
        latency_ms=parse_latency(arguments.latency),
        state_file=arguments.state,
        market=arguments.market,
        hours=arguments.hours,
        fill_delay_ms=arguments.fill_delay,
        hub_cut_chars=arguments.cut_frames,
        rate_limits=not arguments.no_rate_limits,
        replay_file=arguments.replay,
        replay_speed=arguments.speed,
        faults_file=arguments.faults,
        log_file=arguments.log,
    )


def _burst(text: str | None) -> tuple[int, float] | None:
    """``20000/10``: events and seconds. Raises ValueError."""
    if text is None:
        return None
    events, _, seconds = text.partition("/")
    try:
        burst = int(events), float(seconds or 10)
    except ValueError:
        burst = 0, 0.0
    if not 1 <= burst[0] <= 1_000_000 or not 0.05 <= burst[1] <= 3600:
        raise ValueError(f"--burst {text}: write EVENTS/SECONDS, as in 20000/10")
    return burst


def _instructions(url: str, config: SimConfig) -> str:
    accounts = "\n".join(f"  account     {spec.id} {spec.name}" for spec in config.accounts)
    ws = url.replace("http", "ws", 1)
    return (
        f"simulated ProjectX gateway: {url}\n"
        f"  REST base   {url}  (operations below {url}/api/)\n"
        f"  user hub    {url}/hubs/user  (bare WebSocket: {ws}/hubs/user?access_token=...)\n"
        f"  market hub  {url}/hubs/market  (bare WebSocket: {ws}/hubs/market?access_token=...)\n"
        "  login       userName paper, apiKey paper\n"
        f"{accounts}\n"
        f"  control     GET {url}/sim/state, POST {url}/sim/price ...\n"
        "Ctrl-C ends it."
    )


async def _serve(config: SimConfig, burst: tuple[int, float] | None, *, quiet: bool) -> None:
    from desk.sim.server import SimServer

    async with SimServer(config) as sim:
        if not quiet:
            print(_instructions(sim.url, config), flush=True)
        if burst is not None:
            sim.burst(*burst)
        ended = asyncio.Event()
        if sys.platform != "win32":
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()


def main() -> int:
    """Run until interrupted. Exit code 2 with one line when it cannot start."""
    arguments = _arguments()
    logging.basicConfig(
        level=logging.WARNING if arguments.quiet else logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    from desk.sim.statefile import StateFileError

    try:
        burst = _burst(arguments.burst)
        asyncio.run(_serve(_config(arguments), burst, quiet=arguments.quiet))
    except KeyboardInterrupt:
        pass
    except (ValueError, StateFileError) as exc:
        print(f"desk.sim: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        why = "the port is taken" if exc.errno == errno.EADDRINUSE else exc.strerror
        print(f"desk.sim: cannot listen on {arguments.host}:{arguments.port}: {why}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
