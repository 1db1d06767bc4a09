"""``python -m desk.sim --port 9100``: the simulated gateway alone, for any ProjectX client."""

import argparse
import asyncio
import errno
import logging
import signal
import sys

from desk.sim.config import SimConfig, parse_latency


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m desk.sim", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same prices for ever")
    parser.add_argument("--latency", default="", metavar="login=270,accounts=230", help="milliseconds per endpoint")
    parser.add_argument("--state", metavar="FILE", help="keep accounts, orders and trades in this file")
    parser.add_argument("--market", choices=("generated", "manual"), default="generated")
    parser.add_argument("--fill-delay", type=float, default=8.0, metavar="MS")
    parser.add_argument("--no-rate-limits", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="no set-up lines, warnings only")
    return parser.parse_args()


def _config(arguments: argparse.Namespace) -> SimConfig:
    return SimConfig(
        host=arguments.host,
        port=arguments.port,
        seed=arguments.seed,
        latency_ms=parse_latency(arguments.latency),
        state_file=arguments.state,
        market=arguments.market,
        fill_delay_ms=arguments.fill_delay,
        rate_limits=not arguments.no_rate_limits,
    )


def _instructions(url: str) -> str:
    return (
        f"simulated ProjectX gateway: {url}\n"
        f"  REST base   {url}\n"
        f"  user hub    {url}/hubs/user\n"
        f"  market hub  {url}/hubs/market\n"
        "  login       userName paper, apiKey paper\n"
        f"  control     GET {url}/sim/state, POST {url}/sim/price ...\n"
        "Ctrl-C ends it."
    )


async def _serve(config: SimConfig, *, quiet: bool) -> None:
    from desk.sim.server import SimServer

    async with SimServer(config) as sim:
        if not quiet:
            print(_instructions(sim.url), flush=True)
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
        config = _config(arguments)
        asyncio.run(_serve(config, quiet=arguments.quiet))
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
