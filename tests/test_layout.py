"""The shape of the house, read from the source: where imports point, what stays pure, what runs on every platform."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A place imports lower levels only: never sideways, never upward.
LEVELS = {
    "core": 0,
    "alerts": 1,
    "market": 1,
    "orders": 1,
    "ledger": 1,
    "risk": 1,
    "bots": 2,
    "strategies": 2,
    "engine": 3,
    "gateway": 4,
    "store": 4,
    "backtest": 4,
    "settings": 4,
    "runtime": 5,
    "surfaces": 6,
    "webhook_server": 7,
    "load_env": 8,
    "trading_bot": 9,
}
TOP = ("webhook_server", "load_env", "trading_bot")
ONLY = {
    "sim": {"core"},  # else a misreading of the gateway would be shared, and agree with itself
    "load_env": {"core", "settings"},  # and modules called `config`
}
MAY_START_THE_SIMULATOR = {"sim", "trading_bot"}
PURE_LEVELS = range(4)
OUTSIDE = {
    "aiohttp", "asyncio", "filelock", "http", "logging", "multiprocessing", "selectors", "socket", "sqlalchemy",
    "sqlite3", "ssl", "structlog", "subprocess", "threading", "urllib.request", "websockets",
}  # fmt: skip
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
          "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep"}  # fmt: skip
HOMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

SOURCES = sorted((ROOT / "desk").rglob("*.py")) + [path for name in TOP if (path := ROOT / f"{name}.py").exists()]
ROOMS = sorted(path for path in (ROOT / "desk").iterdir() if path.is_dir() and any(path.rglob("*.py")))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def place_of(path: Path) -> str:
    """Room of a source file, or the name of a top-level module; empty for ``desk/__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] != "desk":
        return parts[0]
    return parts[1] if parts[1] != "__init__" else ""


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of each import, wherever it stands; ``from a import b`` is ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            for alias in node.names:
                yield node.lineno, ".".join([*base, *filter(None, [node.module]), alias.name])


def imported_place(dotted: str) -> str | None:
    """The place of ours that an import reaches; None for a library. ``desk`` itself is the empty place."""
    first, _, rest = dotted.partition(".")
    if first in TOP:
        return first
    return rest.partition(".")[0] if first == "desk" else None


def wrong_imports(tree: ast.AST, path: Path) -> list[str]:
    place = place_of(path)
    found = []
    for line, dotted in imports(tree, path.relative_to(ROOT).parent.parts):
        target = imported_place(dotted)
        if target is None or target == place:
            continue
        where = f"{name_of(path)}:{line} imports {dotted}"
        if target == "":
            found.append(f"{where}: name the room")
        elif target == "sim":
            if place not in MAY_START_THE_SIMULATOR:
                found.append(f"{where}: only trading_bot starts the simulator")
        elif place in ONLY:
            is_config = place == "load_env" and ".config" in f".{dotted}"
            if target not in ONLY[place] and not is_config:
                found.append(f"{where}: it may import {', '.join(sorted(ONLY[place]))} only")
        elif place == "" or LEVELS[target] >= LEVELS[place]:
            found.append(f"{where}: level {LEVELS.get(place, -1)} may not import level {LEVELS[target]}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_source_keeps_to_its_place_and_to_every_platform(path: Path) -> None:
    """Imports point downward; a pure room neither waits nor reads a clock; only load_env reads the environment; nothing needs a
    POSIX system without a guard."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = wrong_imports(tree, path) + posix_only(tree)
    if LEVELS.get(place_of(path)) in PURE_LEVELS:
        found += impure(tree)
    if path.name != "load_env.py":
        found += environment_reads(tree)
    assert found == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("desk/core/x.py", "from desk.orders import plans"),
        ("desk/core/x.py", "def f():\n    import desk.runtime.loop"),
        ("desk/orders/x.py", "from desk.risk import approve"),
        ("desk/orders/x.py", "from ..risk import approve"),
        ("desk/orders/x.py", "if TYPE_CHECKING:\n    from desk import engine"),
        ("desk/gateway/x.py", "import load_env"),
        ("desk/surfaces/x.py", "from webhook_server import public_app"),
        ("desk/sim/x.py", "from desk.gateway import wire"),
        ("desk/runtime/x.py", "from desk.sim import exchange"),
        ("webhook_server.py", "from load_env import Settings"),
        ("load_env.py", "from desk.runtime import supervisor"),
        ("desk/__init__.py", "from desk.core import words"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(place: str, text: str) -> None:
    assert len(wrong_imports(ast.parse(text), ROOT / place)) == 1


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("desk/orders/x.py", "from desk.core import words\nfrom . import table\nimport asyncio"),
        ("desk/engine/x.py", "from ..risk import approve"),
        ("desk/sim/x.py", "from desk.core.words import Side\nfrom desk.sim.exchange import Exchange"),
        ("load_env.py", "from desk.runtime.config import RuntimeConfig\nfrom desk.core.secret import Secret"),
        (
            "trading_bot.py",
            "import load_env, webhook_server\nfrom desk.sim import gateway\nfrom desk.runtime import loop",
        ),
    ],
)
def test_an_import_that_points_downward_is_let_through(place: str, text: str) -> None:
    assert wrong_imports(ast.parse(text), ROOT / place) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_each_room_is_in_the_plan_and_introduces_itself(room: Path) -> None:
    assert room.name in LEVELS or room.name == "sim", "a new room needs its level in the table"
    front = room / "__init__.py"
    assert front.exists(), "a room starts with its __init__.py"
    tree = ast.parse(front.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "say what lives here, what must not, and where to start reading"
    names = {
        target.id for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for target in _targets(node)
    }
    assert "__all__" in names, "name the room's public face"


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target for target in targets if isinstance(target, ast.Name)]


def impure(tree: ast.AST) -> list[str]:
    """What waits, and what reads a clock."""
    reaches = [
        f"line {line}: a pure room reaches {dotted}"
        for line, dotted in imports(tree, ())
        if dotted.split(".")[0] in OUTSIDE or ".".join(dotted.split(".")[:2]) in OUTSIDE
    ]
    reads = [
        f"line {node.lineno}: a pure room reads {dotted_name(node.func)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ".".join(dotted_name(node.func).split(".")[-2:]) in CLOCKS
    ]
    return reaches + reads


@pytest.mark.parametrize(
    "text", ["import asyncio", "from urllib.request import urlopen", "import time\ntime.time()", "datetime.now(UTC)"]
)
def test_what_waits_or_reads_a_clock_is_found(text: str) -> None:
    assert len(impure(ast.parse(text))) == 1


def test_every_module_has_a_name_that_says_what_it_is() -> None:
    homeless = [name_of(path) for path in SOURCES if HOMELESS & set(path.relative_to(ROOT).with_suffix("").parts)]
    assert homeless == [], "a thing without a better name has no home yet"


@pytest.mark.parametrize("name", [name for name in TOP if (ROOT / f"{name}.py").exists()])
def test_the_top_level_modules_stay_thin(name: str) -> None:
    assert len((ROOT / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 200


# --- the environment -----------------------------------------------------------------------------------------------


def dotted_name(node: ast.AST) -> str:
    """``a.b.c`` of a chain of attributes; a call or subscript in it counts by its own last name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return dotted_name(node.func)
    return "?"


def environment_reads(tree: ast.AST) -> list[str]:
    names = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"}
    found = [(line, dotted) for line, dotted in imports(tree, ()) if dotted in names]
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found += [(node.lineno, dotted) for node in attributes if (dotted := dotted_name(node)) in names]
    return [f"line {line}: {dotted}: only load_env reads the environment" for line, dotted in found]


@pytest.mark.parametrize("text", ["import os\nos.getenv('A')", "from os import environ", "import os\nos.environ['A']"])
def test_a_read_of_the_environment_is_found(text: str) -> None:
    assert len(environment_reads(ast.parse(text))) == 1


# --- platforms -----------------------------------------------------------------------------------------------------

POSIX_MODULES = {"crypt", "fcntl", "grp", "nis", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty"}
POSIX_NAMES = {
    "os": "chown chroot fchmod fchown fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg getpgid "
    "getpgrp getpriority getsid getuid initgroups killpg lchown lockf mkfifo mknod nice openpty pipe2 posix_fadvise "
    "posix_spawn pread preadv pwrite sched_getaffinity sched_setaffinity sendfile setgid setpgid setpriority setsid "
    "setuid statvfs sync uname wait wait3 wait4 WNOHANG O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC O_DSYNC",
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH alarm "
    "pause pthread_kill pthread_sigmask setitimer sigwait siginterrupt",
    "socket": "AF_UNIX MSG_NOSIGNAL SCM_RIGHTS SO_REUSEPORT",
    "asyncio": "open_unix_connection start_unix_server",
    "time": "clock_settime pthread_getcpuclockid tzset",
}
POSIX_METHODS = {"add_signal_handler", "remove_signal_handler", "create_unix_connection", "create_unix_server",
                 "add_reader", "remove_reader", "add_writer", "remove_writer"}  # fmt: skip
GUARD_ERRORS = {"ImportError", "ModuleNotFoundError", "AttributeError", "NotImplementedError"}


def is_platform_test(node: ast.AST) -> bool:
    names = {dotted_name(part) for part in ast.walk(node) if isinstance(part, ast.Attribute | ast.Name)}
    return bool(names & {"sys.platform", "os.name", "platform.system", "hasattr"})


def posix_only(tree: ast.Module) -> list[str]:
    """Uses of what Windows lacks, outside a platform ``if``, its early return, or a ``try`` that expects the lack."""
    found: list[str] = []
    visit_block(tree.body, found)
    return found


def visit_block(body: list[ast.stmt], found: list[str]) -> None:
    for statement in body:
        if isinstance(statement, ast.If) and is_platform_test(statement.test):
            if isinstance(statement.body[-1], ast.Return | ast.Raise | ast.Continue):
                return  # what follows is for the other platforms
            continue
        visit(statement, found)


def visit(node: ast.AST, found: list[str]) -> None:
    if isinstance(node, ast.Try) and any(caught_names(handler) & GUARD_ERRORS for handler in node.handlers):
        return
    if isinstance(node, ast.IfExp | ast.BoolOp) and is_platform_test(node):
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        for line, dotted in imports(node, ()):
            module, _, name = dotted.partition(".")
            if module in POSIX_MODULES or name in POSIX_NAMES.get(module, "").split():
                found.append(f"line {line}: {dotted} is not on every platform")
    elif isinstance(node, ast.Attribute):
        module, _, name = dotted_name(node).rpartition(".")
        if name in POSIX_METHODS or name in POSIX_NAMES.get(module, "").split():
            found.append(f"line {node.lineno}: {module}.{name} is not on every platform")
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            visit_block(value, found)
        else:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, found)


def caught_names(handler: ast.ExceptHandler) -> set[str]:
    return {part.id for part in ast.walk(handler.type) if isinstance(part, ast.Name)} if handler.type else set()


@pytest.mark.parametrize(
    "text",
    [
        "import fcntl",
        "from os import fork",
        "import os\ndef f():\n    return os.getuid()",
        "import os, signal\nos.kill(1, signal.SIGKILL)",
        "def f(loop):\n    loop.add_signal_handler(2, print)",
        "import asyncio\nasyncio.get_running_loop().add_signal_handler(2, print)",
        "try:\n    import pwd\nexcept OSError:\n    pass",
        "import sys\nif sys.argv:\n    import termios",
    ],
)
def test_an_unguarded_posix_call_is_found(text: str) -> None:
    assert len(posix_only(ast.parse(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import fcntl\nexcept ImportError:\n    fcntl = None",
        "import sys\nif sys.platform != 'win32':\n    import fcntl\n",
        "import os, sys\ndef f():\n    if sys.platform == 'win32':\n        return 0\n    return os.getuid()",
        "import os\nuser = os.getuid() if hasattr(os, 'getuid') else 0",
        "try:\n    loop.add_signal_handler(2, print)\nexcept NotImplementedError:\n    pass",
        "import signal\nsignal.signal(signal.SIGTERM, print)",
    ],
)
def test_a_guarded_posix_call_is_let_through(text: str) -> None:
    assert posix_only(ast.parse(text)) == []
