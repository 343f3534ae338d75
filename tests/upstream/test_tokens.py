"""What a plugin finds its credentials by runs in a thread, once for all who wait, and again when it is time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import UpstreamRefusedUs, UpstreamTimeout
from gateway.plugin import Found
from gateway.types import Provider, Target, Timeouts, UpstreamRequest, UpstreamResponse
from gateway.upstream.tokens import EARLY_S, Tokens
from tests.given import Clock, target


async def unused(request: UpstreamRequest, at: Target, deadline_s: float) -> UpstreamResponse:
    raise AssertionError("nothing is sent to find credentials")


class Search:
    """A plugin's `find_credentials`: gives the next of `found`, whose key says which search it came from."""

    def __init__(self, *lasts_s: float | None) -> None:
        self._lasts_s: Iterator[float | None] = iter(lasts_s)
        self.threads: list[int] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, provider: Provider) -> Found:
        self.threads.append(threading.get_ident())
        assert self.may_end.wait(10)
        try:
            return Found({"key": str(len(self.threads))}, next(self._lasts_s))
        except StopIteration:
            raise UpstreamRefusedUs("no credentials") from None


def target_of(find: Callable[[Provider], Found], **given: Any) -> Target:
    return target(plugin=SimpleNamespace(find_credentials=find), credentials={"given": "g"}, **given)


def soon() -> float:
    return asyncio.get_running_loop().time() + 10


async def test_a_search_runs_in_a_thread_and_what_it_found_stands_beside_what_is_given() -> None:
    search = Search(None)
    equipped = await Tokens(unused).equip(target_of(search), soon())
    assert dict(equipped.provider.credentials) == {"given": "g", "key": "1"}
    assert search.threads != [threading.get_ident()]


async def test_all_who_wait_share_one_search() -> None:
    search, tokens = Search(None), Tokens(unused)
    await asyncio.gather(*(tokens.equip(target_of(search), soon()) for _ in range(20)))
    assert len(search.threads) == 1


@pytest.mark.parametrize(
    ("lasts_s", "after_s", "searches"),
    [
        (3600.0, 3600 - EARLY_S - 1, 1),
        (3600.0, 3600 - EARLY_S, 2),
        (120.0, 59, 1),  # what holds for less than twice EARLY_S is used for half of its time
        (120.0, 60, 2),
        (-1.0, 0, 2),
        (None, 1e9, 1),
    ],
)
async def test_it_is_looked_for_again_before_it_ends(lasts_s: float | None, after_s: float, searches: int) -> None:
    search, clock = Search(lasts_s, None), Clock()
    tokens = Tokens(unused, clock)
    await tokens.equip(target_of(search), soon())
    clock.now_s += after_s
    equipped = await tokens.equip(target_of(search), soon())
    assert equipped.provider.credentials["key"] == str(searches)
    assert len(search.threads) == searches


async def test_what_was_refused_is_looked_for_again() -> None:
    search, tokens = Search(None, None), Tokens(unused)
    asked = target_of(search)
    await tokens.equip(asked, soon())
    tokens.drop(asked)
    assert (await tokens.equip(asked, soon())).provider.credentials["key"] == "2"


async def test_other_options_are_another_search() -> None:
    search, tokens = Search(None, None), Tokens(unused)
    asked = target_of(search)
    await tokens.equip(asked, soon())
    other = replace(asked, provider=replace(asked.provider, options={"profile": "other"}))
    assert (await tokens.equip(other, soon())).provider.credentials["key"] == "2"


async def test_a_search_that_finds_nothing_is_tried_again_by_the_next_call() -> None:
    search, tokens = Search(), Tokens(unused)
    for count in (1, 2):
        with pytest.raises(UpstreamRefusedUs, match="no credentials"):
            await tokens.equip(target_of(search), soon())
        assert len(search.threads) == count


async def test_a_slow_search_ends_the_call_but_not_itself() -> None:
    search, tokens = Search(None), Tokens(unused)
    search.may_end.clear()
    hasty = target_of(search, timeouts=Timeouts(first_byte_s=0.05))
    began_s = time.monotonic()
    for _ in range(3):
        with pytest.raises(UpstreamTimeout, match=r"0\.05 s \(timeouts\.first_byte_s\)"):
            await tokens.equip(hasty, soon())
    assert time.monotonic() - began_s < 2
    search.may_end.set()
    assert (await tokens.equip(hasty, soon())).provider.credentials["key"] == "1"
    assert len(search.threads) == 1


async def test_a_deadline_bounds_a_search() -> None:
    search, tokens = Search(None), Tokens(unused)
    search.may_end.clear()
    with pytest.raises(UpstreamTimeout):
        await tokens.equip(target_of(search), asyncio.get_running_loop().time() + 0.05)
    await tokens.aclose()
    search.may_end.set()


async def test_a_vendor_that_wants_none_of_this_gets_the_very_target() -> None:
    plain = target()
    assert await Tokens(unused).equip(plain, soon()) is plain
