"""Of a thousand requests at once, exactly as many are admitted as a limit says, with streams and failures among them;
afterwards nothing is held and the ledger says the same:

    python -m tests.proofs.exactly --processes 3 --rounds 100    # on one Redis and one PostgreSQL; 1: in memory

What fails without having used anything gives its part of a budget back, and then it depends on the order who comes
after: so the failures under a budget are those that used something. A limit of requests counts failures of every kind.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.harness import ROUTES, Process, process
from tests.postgres_server import postgres_server
from tests.proofs import redis_state
from tests.redis_server import RedisServer, redis_server
from tests.stores.entries import asked, sums_are_those_of_the_rows

AT_ONCE = 1_000
ADMITTED = (200, 502, 503)  # a vendor was asked, and answered or failed
AWAY = 0  # in the place of the 503 of a limit that cannot be looked up: it says when to come back

PROVIDERS = """
version: 1
providers:
  sandbox:
    plugin: sandbox
    models:
      good: {operation: chat, price: {usd_per_request: 1}}
      cut: {operation: chat, options: {fault: cut}, price: {usd_per_request: 1}}
      broken: {operation: chat, options: {fault: server_error}, price: {usd_per_request: 1}}
"""
KINDS = {"requests": ("good", "cut", "broken"), "budget": ("good", "cut")}
CASES = [("requests", most) for most in (1, 5, 999)] + [("budget", most) for most in (0, 1, 5, 999)]


def routes(redis: RedisServer | None, url: str, rounds: int) -> str:
    """One limit a case and round, for the models that are called like it."""
    models, limits = "", ""
    for kind, most in CASES:
        for number in range(rounds):
            name = f"{kind}-{most}-{number}"
            models += "".join(f"  {name}-{how}: {{operation: chat, targets: [sandbox/{how}]}}\n" for how in KINDS[kind])
            amount = f"requests: {most}/day" if kind == "requests" else f"budget: {most} USD total"
            limits += f"  {name}: {{per: [], only: {{model: ['{name}-*']}}, {amount}, while_away: closed}}\n"
    text = ROUTES.partition("models:")[0] + f"models:\n{models}routes:\n"
    text += "  - {path: /v1/chat/completions, dialect: openai.chat}\n"
    shared = f"redis_url: '{redis.url}', " if redis is not None else ""
    return f"{text}limits:\n{limits}stores: {{{shared}database_url: '{url}'}}\n"


@asynccontextmanager
async def several(folder: Path, text: str, processes: int) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        folders = [folder / str(number) for number in range(processes)]
        for each in folders:
            each.mkdir()
        yield await asyncio.gather(
            *(
                stack.enter_async_context(process(each, PROVIDERS, text, module="tests.proofs.roomy"))
                for each in folders
            )
        )


async def one(client: aiohttp.ClientSession, url: str, model: str, *, stream: bool) -> int:
    """Return the status; a stream that broke after it began was admitted all the same."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    status = AWAY
    try:
        async with client.post(url + "/v1/chat/completions", json=body) as answer:
            status = AWAY if answer.status == 503 and "retry-after" in answer.headers else answer.status
            await answer.read()
    except aiohttp.ClientPayloadError:
        pass
    return status


async def exactly(folder: Path, redis: RedisServer | None, url: str, processes: int, rounds: int) -> list[str]:
    """Return what is wrong, case by case."""
    faults: list[str] = []
    async with several(folder, routes(redis, url, rounds), processes) as gateways:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=100)) as client:
            for number in range(rounds):
                for kind, most in CASES:
                    name = f"{kind}-{most}-{number}"
                    calls = [
                        one(
                            client,
                            gateways[at % processes].url,
                            f"{name}-{KINDS[kind][at // 7 % len(KINDS[kind])]}",
                            stream=at % 2 == 0,
                        )
                        for at in range(AT_ONCE)
                    ]
                    statuses = Counter(await asyncio.gather(*calls))
                    refused = statuses[429 if kind == "requests" else 402]
                    admitted = sum(statuses[status] for status in ADMITTED)
                    if (refused, admitted) != (AT_ONCE - most, most):
                        told = [line["message"] for each in gateways for line in each.log if line["level"] != "info"]
                        faults.append(f"{name}: {admitted} admitted, {refused} refused, {dict(statuses)}; {told}")
        for gateway in gateways:
            if (code := await gateway.stop()) != 0:  # which settles all
                faults.append(f"a process ended with {code}")
    if redis is not None and (held := await redis_state.held(redis)):
        faults.append(f"{held} are held in the end")
    for number in range(rounds):
        for kind, most in CASES:
            faults += await _of_rows(redis, url, f"{kind}-{most}-{number}", kind, most)
    if not await asyncio.to_thread(sums_are_those_of_the_rows, url):
        faults.append("the days' sums are not those of the rows")
    return faults


async def _of_rows(redis: RedisServer | None, url: str, name: str, kind: str, most: int) -> list[str]:
    [(count, cost)] = await asyncio.to_thread(
        asked,
        url,
        "SELECT COUNT(*), CAST(COALESCE(SUM(cost_nano_usd), 0) AS BIGINT) FROM requests "
        "WHERE state = 'settled' AND requested_model LIKE $1",
        f"{name}-%",
    )
    faults = [] if count == most else [f"{name}: {count} rows for {most} admitted"]
    if kind == "budget":
        if cost != most * 10**9:
            faults.append(f"{name}: the rows cost {cost} nano-dollars")
        if redis is not None and (spent := await redis_state.spent(redis, name)) != most * 10**9:
            faults.append(f"{name}: Redis says that {spent} nano-dollars are spent")
    return faults


async def _run(processes: int, rounds: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="gateway-exactly-") as name:
        folder = Path(name)
        if processes == 1:
            return await exactly(folder, None, f"sqlite:{folder / 'gateway.db'}", 1, rounds)
        with postgres_server() as postgres:
            async with redis_server(folder) as redis:
                return await exactly(folder, redis, postgres.new_database(), processes, rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description="ask a thousand times at once, where fewer are admitted")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    faults = asyncio.run(_run(given.processes, given.rounds))
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    count = given.rounds * len(CASES)
    sys.stdout.write(f"{count} times {AT_ONCE} at once to {given.processes} processes; faults: {len(faults)}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
