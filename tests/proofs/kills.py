"""The gateway killed at random moments under load, and its ledger held against what its vendor saw:

    python -m tests.proofs.kills --runs 1000          # another --seed for others; --seed S --runs 1 plays run S again

Every run starts the gateway on the file that the run before left, checks it, sends requests, and kills the process.
Nobody but the vendor says which requests count: each that arrived there has one row, settled or crashed; there are no
open rows and nothing is reserved; what is left of the budget is what the rows leave of it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from gateway.types import NANO_USD
from tests.harness import ROUTES, Process, process
from tests.stores.entries import asked, sums_are_those_of_the_rows
from tests.test_openai_client import VENDOR
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

WITHIN_S = 2.0  # of a restart everything has to be as it should
CLIENTS = 12
LOAD_S = (0.0, 0.5)  # until the kill
LEAVES = 0.15  # of the clients do so before their answer is complete
BUDGET_USD = 1_000_000
OPERATOR = "an-operator-of-the-kills"

LIMITED = (
    ROUTES.partition("models:")[0].replace(
        "{anonymous: loopback}",
        f"{{anonymous: loopback, static: [{{name: ops, tenant: '*', key: {OPERATOR}, role: operator}}]}}",
    )
    + "models:\n  chat: {operation: chat, targets: [vendor/gpt-4o-mini]}\n"
    + "routes:\n  - {path: /v1/chat/completions, dialect: openai.chat, failover: none}\n"
    + "stores: {database_url: 'sqlite:gateway.db'}\n"
    + f"limits: {{all: {{per: [], concurrent: 100, budget: {BUDGET_USD} USD total}}}}\n"
)


@dataclass
class Outcome:
    """What the runs came to; `faults` are of the product, each with its seed."""

    runs: int = 0
    at_vendor: int = 0
    states: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


async def kill_often(folder: Path, runs: int, seed: int) -> Outcome:
    """Kill the gateway in `folder` once for each seed from `seed` on."""
    outcome = Outcome()
    url = f"sqlite:{folder / 'gateway.db'}"
    async with OpenAIServer(event_interval_s=0.004) as vendor:
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
        for number in range(runs + 1):
            async with process(folder, providers, LIMITED) as gateway:
                if number:
                    last = seed + number - 1
                    found = await _checked(gateway, url, last, _arrived(vendor), outcome)
                    outcome.faults += [f"seed {last}: {fault}" for fault in found]
                if number < runs:
                    vendor.reset()
                    await _load(gateway, vendor, seed + number)
                    outcome.runs += 1
    if not await asyncio.to_thread(sums_are_those_of_the_rows, url):
        outcome.faults.append(f"seeds {seed} to {seed + runs - 1}: the days' sums are not those of the rows")
    return outcome


async def _load(gateway: Process, vendor: OpenAIServer, seed: int) -> None:
    """Send requests until the process is killed under them."""
    chance = random.Random(seed)
    faults: list[Fault] = [Fault("none"), Fault("none"), Fault("status"), Fault("cut_mid_stream"), Fault("none")]
    vendor.faults.add(*(chance.choice(faults) for _ in range(200)))
    async with aiohttp.ClientSession(gateway.url) as client:
        clients = [asyncio.create_task(_ask_on(client, f"kill-{seed}-{at}", chance)) for at in range(CLIENTS)]
        await asyncio.sleep(chance.uniform(*LOAD_S))
        gateway.process.kill()
        await gateway.process.wait()
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def _ask_on(client: aiohttp.ClientSession, name: str, chance: random.Random) -> None:
    """Send one request after another, each with an id of its own in its text and its header, until nobody answers."""
    number = 0
    while True:
        number += 1
        request_id = f"{name}-{number}"
        body = {
            "model": "chat",
            "messages": [{"role": "user", "content": request_id}],
            "stream": chance.random() < 0.5,
            "max_tokens": 50,
        }
        total_s = chance.uniform(0.001, 0.05) if chance.random() < LEAVES else 30.0
        try:
            async with client.post(
                "/v1/chat/completions",
                json=body,
                headers={"x-request-id": request_id},
                timeout=aiohttp.ClientTimeout(total=total_s),
            ) as answer:
                await answer.read()
        except aiohttp.ClientConnectorError:
            return
        except (TimeoutError, aiohttp.ClientError):
            pass


def _arrived(vendor: OpenAIServer) -> Counter[str]:
    """Return the ids of the requests that arrived whole, by the vendor's own log."""
    return Counter(record.json()["messages"][0]["content"] for record in vendor.requests if record.body)


async def _checked(gateway: Process, url: str, seed: int, arrived: Counter[str], outcome: Outcome) -> list[str]:
    """Return what is wrong with what the kill left behind."""
    until_s = time.monotonic() + WITHIN_S
    while (count := (await asyncio.to_thread(asked, url, _OPEN))[0][0]) and time.monotonic() < until_s:
        await asyncio.sleep(0.05)
    faults = [f"{count} rows are open {WITHIN_S:g} s after the restart"] if count else []
    rows = await asyncio.to_thread(
        asked, url, "SELECT request_id, state FROM requests WHERE request_id LIKE $1", f"kill-{seed}-%"
    )
    kept = Counter(request_id for request_id, _ in rows)
    outcome.at_vendor += len(arrived)
    outcome.states.update(state for _, state in rows)
    faults += [f"{request_id} reached the vendor and has no row" for request_id in arrived if not kept[request_id]]
    faults += [f"{request_id} has {times} rows" for request_id, times in kept.items() if times > 1]
    faults += [f"{request_id} reached the vendor {times} times" for request_id, times in arrived.items() if times > 1]
    return faults + await _of_limits(gateway, url)


async def _of_limits(gateway: Process, url: str) -> list[str]:
    headers = {"authorization": f"Bearer {OPERATOR}"}
    async with aiohttp.ClientSession(gateway.url, headers=headers) as client:
        async with client.get("/admin/limits?key=ops") as answer:
            told: dict[str, Any] = await answer.json()
    meters = {meter["unit"]: meter["left"] for meter in told["limits"][0]["meters"]}
    [(spent,)] = await asyncio.to_thread(asked, url, "SELECT COALESCE(SUM(cost_nano_usd), 0) FROM requests")
    left = BUDGET_USD - Decimal(spent) / NANO_USD
    faults = [] if meters["concurrent"] == 100 else [f"{100 - meters['concurrent']} calls are still counted as running"]
    if Decimal(meters["usd"]) != left:
        faults.append(f"{meters['usd']} USD are left of the budget, by the rows it is {left}")
    return faults


_OPEN = "SELECT COUNT(*) FROM requests WHERE state = 'open'"


def main() -> int:
    parser = argparse.ArgumentParser(description="kill the gateway under load and check its ledger")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a gateway that is killed leaves its vendor
    with tempfile.TemporaryDirectory(prefix="gateway-kills-") as folder:
        outcome = asyncio.run(kill_often(Path(folder), given.runs, given.seed))
    sys.stdout.write("".join(f"{fault}\n" for fault in outcome.faults))
    sys.stdout.write(
        f"{outcome.runs} kills, seeds {given.seed} to {given.seed + given.runs - 1}: {outcome.at_vendor} requests "
        f"reached the vendor; rows: {dict(outcome.states)}; faults: {len(outcome.faults)}\n"
    )
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
