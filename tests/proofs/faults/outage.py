"""A provider that is away for a while under an even load of all kinds of work, and then is back."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.proofs.faults.bench import Bench, Cell, by_caller, worst
from tests.proofs.faults.config import OUTAGE, slug
from tests.proofs.faults.work import WORKS, Work, ask, told
from tests.vendors.faults import Fault

BEFORE_S = 1.0
AFTER_S = 6.0  # within five of them it has to be asked again


@dataclass
class Outage:
    """What came of it. `asked` and `back_s` are by target: how often it was asked while it was away, and after how many
    seconds it answered again; None: not at all."""

    cells: dict[str, list[Cell]] = field(default_factory=lambda: defaultdict(list))
    asked: Counter[str] = field(default_factory=Counter)
    back_s: dict[str, float | None] = field(default_factory=dict)
    requests: int = 0

    def verdicts(self) -> dict[str, Cell]:
        return {name: worst(cells) for name, cells in self.cells.items()}


async def run_outage(bench: Bench, route: str, for_s: float, per_s: float, after_s: float = AFTER_S) -> Outage:
    """Have the first targets answer 503 for a while, under so many requests a second in all."""
    loop = asyncio.get_running_loop()
    for server in bench.vendors.values():
        server.reset()
    outage = Outage(back_s={work.first: None for work in WORKS})
    begin_s = loop.time() + BEFORE_S
    end_s = begin_s + for_s

    async def one(work: Work) -> None:
        seen = await ask(bench.client, work, slug(OUTAGE, work, route), route + work.path, bench.request_id())
        outage.cells[work.name].append(by_caller(told(work, seen), bench.right[work.name], seen))
        now_s = loop.time()
        is_first = seen.headers.get("x-gateway-provider", "").startswith(work.first.partition("/")[0])
        if now_s > end_s and is_first and outage.back_s[work.first] is None:
            outage.back_s[work.first] = max(0.0, now_s - end_s)

    vendors = [bench.vendors[name] for name in ("openai", "deepgram")]
    for vendor in vendors:
        loop.call_at(begin_s, vendor.faults.add, Fault("status", status=503, times=None))
        loop.call_at(end_s, vendor.faults.clear)
    start_s = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int((BEFORE_S + for_s + after_s) * per_s)):
            group.create_task(one(WORKS[number % len(WORKS)]))
            await asyncio.sleep(max(0.0, start_s + (number + 1) / per_s - loop.time()))
            outage.requests += 1
    for work in WORKS:
        outage.asked[work.first] = sum(record.fault is not None for record in bench.asked_of_first(work))
    return outage
