"""One gateway, its vendors and a client; a fault shown to every kind of work, and what came of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import Process, process
from tests.proofs.faults.config import PLAIN, TOTAL_S, providers_yaml, routes_yaml, slug
from tests.proofs.faults.rows import Row
from tests.proofs.faults.work import WORKS, Seen, Told, Work, ask, told
from tests.stores.entries import asked
from tests.untrusted import untrusted
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import VendorServer

LATE_S = 1.0  # beyond the deadline that a busy machine may take; promised are 50 ms
CLOSED_S = 1.0  # until a vendor that nobody waits for any more has been left
ORDER = ("–", "pass", "safe", "partial", "fail")  # from good to bad


@dataclass(frozen=True, slots=True)
class Right:
    """What each target answers where nothing is wrong, and what that costs."""

    first: bytes
    second: bytes
    second_cost: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What a fault came to for a kind of work; `why` is empty where it passed."""

    verdict: str
    why: str = ""


@dataclass
class Bench:
    """A gateway, its vendors, and what they answer when nothing is wrong."""

    gateway: Process
    client: aiohttp.ClientSession
    vendors: Mapping[str, VendorServer]
    elsewhere: VendorServer  # where redirects point
    right: dict[str, Right] = field(default_factory=dict)
    number: int = 0

    @property
    def database(self) -> str:
        return f"sqlite:{self.gateway.folder / 'gateway.db'}"

    def request_id(self) -> str:
        self.number += 1
        return f"fault-{self.number:06d}"

    def records(self, target: str) -> list[RequestRecord]:
        """Return what a vendor saw."""
        return list(self.vendors[target.partition("/")[0]].requests)

    def asked_of_first(self, work: Work) -> list[RequestRecord]:
        """Return what the first vendor was asked of this kind of work."""
        vendor, _, model = work.first.partition("/")
        asked = [record for record in self.records(work.first) if record.path == work.vendor_path]
        return [record for record in asked if record.model == model] if vendor == "openai" else asked

    async def row(self, request_id: str) -> list[tuple[Any, ...]]:
        """Return the rows of a request in the ledger, once none of them is open or two seconds are over."""
        rows: list[tuple[Any, ...]] = []
        statement = "SELECT state, cost_nano_usd, attempts FROM requests WHERE request_id = $1"
        for _ in range(100):
            rows = await asyncio.to_thread(asked, self.database, statement, request_id)
            if rows and all(state == "settled" for state, _, _ in rows):
                break
            await asyncio.sleep(0.02)
        return rows


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Start everything, and learn the right answers."""
    async with AsyncExitStack() as stack:
        vendors: dict[str, VendorServer] = {
            "openai": OpenAIServer(identity="first"),
            "deepgram": DeepgramServer(),
            "anthropic": AnthropicServer(identity="second"),
            "elevenlabs": ElevenLabsServer(),
        }
        elsewhere = OpenAIServer(identity="elsewhere")
        for server in (*vendors.values(), elsewhere):
            await stack.enter_async_context(server)
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))  # and never listened on: refused, and nobody else's
        unvouched = await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=untrusted(folder))
        await stack.enter_async_context(unvouched)
        unvouched.get_loop().set_exception_handler(_of_handshakes)
        addresses = {
            "refused": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "dns": "http://no-such-vendor.invalid",
            "tls": f"https://127.0.0.1:{unvouched.sockets[0].getsockname()[1]}",
        }
        gateway = await stack.enter_async_context(process(folder, providers_yaml(vendors, addresses), routes_yaml()))
        client = await stack.enter_async_context(aiohttp.ClientSession(gateway.url))
        found = Bench(gateway, client, vendors, elsewhere)
        for work in WORKS:
            found.right[work.name] = await _right(found, work)
        yield found


async def run_row(bench: Bench, row: Row, route: str) -> dict[str, Cell]:
    """Show one fault to every kind of work at once; `route` is PLAIN or HELD."""
    for server in bench.vendors.values():
        server.reset()
    for work in WORKS:
        if (fault := row.fault_for(work)) is not None:
            fault = replace(fault, location=f"{bench.elsewhere.base_url}/chat/completions", times=None)
            model = None if work.first.startswith("deepgram/") else work.first.partition("/")[2]
            bench.vendors[work.first.partition("/")[0]].faults.add(replace(fault, model=model, path=work.vendor_path))
    cells = await asyncio.gather(*(_cell(bench, row, work, route) for work in WORKS))
    return {work.name: cell for work, cell in zip(WORKS, cells, strict=True)}


async def _cell(bench: Bench, row: Row, work: Work, route: str) -> Cell:
    if not row.is_for(work):
        return Cell("–")
    cells = []
    for _ in range(row.requests):
        request_id = bench.request_id()
        seen = await ask(bench.client, work, slug(row.name, work, route), route + work.path, request_id)
        cells.append(await judge(bench, row, work, seen, request_id))
    return worst(cells)


async def judge(bench: Bench, row: Row, work: Work, seen: Seen, request_id: str) -> Cell:
    """Return what a request came to, by all views of it."""
    right = bench.right[work.name]
    found = by_caller(told(work, seen), right, seen)
    if found.verdict == "fail":
        return found
    faults = await _of_vendors(bench, row, work)
    faults += _of_ledger(await bench.row(request_id), right, seen)
    return Cell("fail", "; ".join(faults)) if faults else found


def by_caller(got: Told, right: Right, seen: Seen) -> Cell:
    """Return what the caller made of it."""
    answers = (right.first, right.second)
    if seen.seconds > TOTAL_S + LATE_S:
        return Cell("fail", f"it waited {seen.seconds:.1f} s")
    if got.is_complete:
        return Cell("pass") if got.content in answers else Cell("fail", f"it looks complete: {got.content[-60:]!r}")
    if not any(answer.startswith(got.content) for answer in answers):
        return Cell("fail", f"wrong content: {got.content[:60]!r}")
    if got.error:
        return Cell("safe", f"{seen.status}: {got.error}")
    if got.content:
        return Cell("partial", f"{len(got.content)} bytes, and no word")
    return Cell("fail", f"status {seen.status} and nothing that says why")


async def _of_vendors(bench: Bench, row: Row, work: Work) -> list[str]:
    """Return what is wrong with what the vendors saw."""
    first = bench.asked_of_first(work)
    faults = []
    if row.fault_for(work) is not None and not any(record.fault for record in first):
        faults.append("the fault was never shown: nobody asked the first target")
    if row.address and first:
        faults.append("what cannot be reached was reached")
    if bench.elsewhere.requests:
        faults.append("the redirect was followed")
    if any(record.refusal for record in (*first, *bench.records(work.second))):
        faults.append("a vendor refused the request")
    try:
        async with asyncio.timeout(CLOSED_S):
            for record in first:
                await record.ended.wait()
    except TimeoutError:
        faults.append("the first vendor works on for nobody")
    return faults


def _of_ledger(rows: Sequence[tuple[Any, ...]], right: Right, seen: Seen) -> list[str]:
    """Return what is wrong with what was written down and charged."""
    if len(rows) != 1 or rows[0][0] != "settled":
        return [f"its rows in the ledger: {rows}"]
    cost, attempts = rows[0][1], json.loads(rows[0][2])
    faults = []
    if cost != sum(attempt["cost_nano_usd"] or 0 for attempt in attempts):
        faults.append("its cost is not that of its attempts")
    refused = [attempt for attempt in attempts if attempt["outcome"] in _NOT_CHARGED]
    if any(attempt["cost_nano_usd"] for attempt in refused):
        faults.append("it was charged for what a vendor refused")
    answered = [attempt for attempt in attempts if attempt["outcome"] == "ok"]
    if len(answered) > 1:
        faults.append("two targets answered it")
    is_second = seen.headers.get("x-gateway-provider") in ("anthropic", "elevenlabs")
    if is_second and answered and answered[0]["cost_nano_usd"] != right.second_cost:
        faults.append(f"{answered[0]['cost_nano_usd']} was charged in the place of {right.second_cost}")
    return faults


_NOT_CHARGED = frozenset({"upstream_unreachable", "upstream_rate_limited", "upstream_refused_credentials"})


def worst(cells: Sequence[Cell]) -> Cell:
    return max(cells, key=lambda cell: ORDER.index(cell.verdict))


async def _right(bench: Bench, work: Work) -> Right:
    """Ask each target alone."""
    answers, costs = [], []
    for which in ("first", "second"):
        request_id = bench.request_id()
        seen = await ask(bench.client, work, slug(which, work, PLAIN), work.path, request_id)
        got = told(work, seen)
        assert got.is_complete, (work.name, which, seen)
        answers.append(got.content)
        costs.append((await bench.row(request_id))[0][1])
    return Right(answers[0], answers[1], costs[1])


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _of_handshakes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A client that refuses the certificate is what is wanted, and no news."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)
