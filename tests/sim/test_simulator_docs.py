"""``docs/simulator.md`` is true: its session runs against a real simulator and answers as printed; its tables are complete."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from desk.sim import AccountSpec
from desk.sim.accountfile import read_accounts
from desk.sim.control import ACTIONS
from desk.sim.faultfile import read_faults
from desk.sim.faults import EVENT_KINDS, HUB_KINDS, KINDS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```(sh|sh varies)\n(.*?)```(?:\n\n```(text|text varies)\n(.*?)```)?", re.DOTALL)
_MARK = "@@ next block @@"


def block(kind: str, number: int = 0) -> str:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)[number]


def shape(text: str) -> str:
    """What stays the same from run to run: all but numbers, times, tokens, months and the connection's port."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00)?", "TIME", text)
    text = re.sub(r"eyJ[\w.-]*", "TOKEN", text)
    text = re.sub(r"(MNQ\.?)[A-Z]\d+", r"\1MONTH", text)
    text = re.sub(r": \w+ \d{4}\"", ': MONTH"', text)
    return re.sub(r"-?\d+(\.\d+)?(e-\d+)?", "0", text)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
async def test_the_session_answers_as_it_is_printed(tmp_path: Path) -> None:
    """All commands in one shell, in order; the same shape of answer, block by block."""
    (tmp_path / "watch.py").write_text(block("python"))
    blocks = _BLOCK.findall(TEXT)
    assert len(blocks) >= 12
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "desk.sim", "--port", "0", cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = [(await asyncio.wait_for(process.stdout.readline(), 20)).decode()]
        port = lines[0].rpartition(":")[2].strip()
        while "Ctrl-C" not in lines[-1]:
            lines.append((await asyncio.wait_for(process.stdout.readline(), 20)).decode())
        assert "".join(lines).replace(f":{port}", ":9100") == block("text", 1)
        commands = f"\necho '{_MARK}'\n".join(command for _, command, _, _ in blocks).replace(":9100", f":{port}")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        shell = await asyncio.create_subprocess_exec(
            "bash", "-e", "-c", commands, cwd=tmp_path, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(shell.communicate(), 25)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
    assert (shell.returncode, err.decode()) == (0, "")
    answers = out.decode().split(_MARK + "\n")
    for (_, command, kind, printed), answer in zip(blocks, answers, strict=True):
        if kind == "text varies":
            assert {"GatewayQuote", "GatewayTrade"} <= set(re.findall(r'"target":"(\w+)"', answer)), command
        else:
            assert shape(answer) == shape(printed), command


def test_the_files_in_the_text_can_be_used(tmp_path: Path) -> None:
    for number, name in enumerate(("faults.toml", "accounts.toml")):
        (tmp_path / name).write_text(block("toml", number))
    assert len(read_faults(tmp_path / "faults.toml").faults) == 3
    assert read_accounts(tmp_path / "accounts.toml")[0].max_minis == 5


def test_nothing_is_left_out() -> None:
    """Every control, every fault, every account member and every option has its place in the text."""
    from desk.sim import __main__ as program

    options = re.findall(r'"(--[a-z-]+)"', Path(program.__file__).read_text(encoding="utf-8"))
    words = [f"`{kind}`" for kind in (*KINDS, *EVENT_KINDS, *HUB_KINDS)]
    words += [f"/sim/{name}" for name in ACTIONS] + options
    words += [field.name for field in dataclasses.fields(AccountSpec)]
    assert [word for word in words if word not in TEXT] == []
