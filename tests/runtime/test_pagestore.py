"""Pages over several tiers: what one of them lost, it is given again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from desk.core.errors import TierDown
from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.gateway.config import SystemClock
from desk.market.bars import Bars
from desk.market.pages import EMPTY, Page, PageKey, pages_of
from desk.runtime import pagestore
from desk.runtime.pagestore import PageStore

DAY = 86_400
START = 1_795_000_020 // DAY * DAY
KEY = pages_of(ContractId("CON.F.US.MNQ.Z26"), parse_timeframe("1m"), (START, START + 60))[0]


class Shelf:
    """A tier in a dictionary."""

    def __init__(self, name: str, pages: dict[PageKey, Page]) -> None:
        self.name = name
        self.pages = pages

    async def get(self, key: PageKey) -> Page | None:
        return self.pages.get(key)

    async def put(self, key: PageKey, page: Page) -> None:
        self.pages[key] = page

    async def series(self) -> Sequence[Any]:
        return ()


def page(minutes: int) -> Page:
    ts = np.arange(START, START + 60 * minutes, 60)
    same = np.full(minutes, 10**9, dtype=np.int64)
    return EMPTY.merged(Bars(ts, same, same, same, same, same), ((START, START + 60 * minutes),))


async def test_what_only_the_nearer_tier_has_is_written_to_the_slower_one_again() -> None:
    near, far = Shelf("redis", {KEY: page(10)}), Shelf("archive", {})
    store = PageStore(SystemClock(), 1 << 20, [near, far])
    await store.read(KEY, (START, START + 1200))
    await store.flush()
    assert far.pages[KEY].bars.equals(page(10).bars)
    assert store.unwritten == 0


async def test_what_only_memory_still_has_is_written_to_the_tier_that_lost_it() -> None:
    near, far = Shelf("redis", {KEY: page(10)}), Shelf("archive", {})
    store = PageStore(SystemClock(), 1 << 20, [near, far])
    await store.read(KEY, (START, START + 600))  # the nearer one is enough: nobody looks at the other
    near.pages.clear()
    await store.read(KEY, (START, START + 1200))
    await store.flush()
    assert far.pages[KEY].bars.equals(page(10).bars)


async def test_what_only_the_slower_tier_has_is_written_to_the_nearer_one() -> None:
    near, far = Shelf("redis", {KEY: page(5)}), Shelf("archive", {KEY: page(10)})
    store = PageStore(SystemClock(), 1 << 20, [near, far])
    await store.read(KEY, (START, START + 600))
    await store.flush()
    assert near.pages[KEY].bars.equals(page(10).bars)


async def test_what_all_tiers_have_is_not_written_again() -> None:
    near, far = Shelf("redis", {KEY: page(10)}), Shelf("archive", {KEY: page(10)})
    store = PageStore(SystemClock(), 1 << 20, [near, far])
    await store.read(KEY, (START, START + 1200))
    assert store.unwritten == 0


async def test_a_tier_with_a_defect_keeps_no_page_from_the_others() -> None:
    class Broken(Shelf):
        async def put(self, key: PageKey, page: Page) -> None:
            raise ValueError("not thought of")

    near, far, troubles = Broken("redis", {}), Shelf("archive", {}), dict[str, str]()
    store = PageStore(SystemClock(), 1 << 20, [near, far], troubles)
    store.add(KEY, page(10).bars, page(10).covered)
    await store.flush()
    assert far.pages[KEY].bars.equals(page(10).bars)
    assert "not thought of" in troubles["bars in redis"]


async def test_one_page_that_cannot_be_written_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(Shelf):
        async def put(self, key: PageKey, page: Page) -> None:
            if key is KEY:
                raise TierDown("its directory belongs to somebody else")
            await super().put(key, page)

    monkeypatch.setattr(pagestore, "REST_S", 0.001)
    other = replace(KEY, contract_id=ContractId("CON.F.US.MES.Z26"))
    far = Locked("archive", {})
    store = PageStore(SystemClock(), 1 << 20, [far])
    for key in (KEY, other):
        store.add(key, page(10).bars, page(10).covered)
    await store.flush()
    await asyncio.sleep(0.002)
    await store.flush()
    assert list(far.pages) == [other]
    assert store.unwritten == 1


async def test_years_before_the_contract_are_remembered_and_not_written() -> None:
    """MNQZ26: a month in which it may have been listed is kept, as is one of long ago that has bars."""
    archive = Shelf("archive", {})
    store = PageStore(SystemClock(), 1 << 20, [archive])
    keys = [pages_of(KEY.contract_id, KEY.timeframe, (at, at + 60))[0] for at in (1_262_304_000, 1_735_689_600)]
    for key in keys:
        store.add(key, Bars.empty(), (key.span,))
    assert store.unwritten == 1
    await store.flush()
    assert [key.label for key in archive.pages] == ["2025-01"]
    assert (await store.read(keys[0], keys[0].span))[0].covered == (keys[0].span,), "not asked for again"
    one = np.array([keys[0].start], dtype=np.int64)
    store.add(keys[0], Bars(one, one, one, one, one, one), (keys[0].span,))
    await store.flush()
    assert len(archive.pages[keys[0]].bars) == 1
