"""Where bars are kept: one place per market, and nothing is opened before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.runtime.bartiers import bar_tiers, place_of
from load_env import Settings, load_settings


def load(tmp_path: Path, **environ: str) -> Settings:
    return load_settings({"DATA_DIR": str(tmp_path), **environ}, env_file=None)


@pytest.mark.parametrize(
    ("environ", "name", "folder"),
    [
        ({}, "paper-seed-7", "paper/bars/seed-7"),
        ({"PAPER_SEED": "9"}, "paper-seed-9", "paper/bars/seed-9"),
        ({"PAPER_GATEWAY_URL": "http://127.0.0.1:9100"}, "paper-127.0.0.1-9100", "paper/bars/127.0.0.1-9100"),
    ],
)
def test_every_paper_market_has_a_place_of_its_own(
    environ: dict[str, str], name: str, folder: str, tmp_path: Path
) -> None:
    assert place_of(load(tmp_path, **environ)) == (name, tmp_path / folder)


@pytest.mark.parametrize(
    ("environ", "names"),
    [({}, ["archive"]), ({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}, ["redis", "archive"])],
)
async def test_redis_is_nearer_and_only_there_when_it_is_named(
    environ: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    async with bar_tiers(load(tmp_path, **environ)) as tiers:
        assert [tier.name for tier in tiers] == names
    assert not list(tmp_path.iterdir()), "nothing was written before the first use"
