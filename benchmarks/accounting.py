"""Measure what accounting for a request costs: the key, its limits, the cost and the ledger, in processor time.

    python benchmarks/accounting.py       also a part of `make bench`; exits 1 where a promise is not kept

The chain is the gateway's own, with everything on, around a target that answers at once; the same without those links
is taken off. Calls run at once, as under load, so that rows share their transactions. Both are measured in turns in one
run, since machines are noisy, and the middle of the differences counts.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.chain import close, compose
from gateway.config.load import load
from gateway.config.model import Config, Route
from gateway.middlewares import auth, cost, failover, ledger, quota
from gateway.server.lifecycle import open_ledger
from gateway.services import Services, open_services
from gateway.stores.keys.secret import digest_of, new_secret
from gateway.stores.keys.store import StoredKey
from gateway.stores.ledger import settled
from gateway.types import (
    Call,
    Chat,
    Done,
    Event,
    Handler,
    Head,
    Message,
    Receipt,
    Reply,
    Scopes,
    Text,
    TextDelta,
    Units,
    Usage,
)

ROUNDS = 9
REQUESTS = 3_000
AT_ONCE = 64
PROMISED_US = 25.0
PROMISED_RATIO = 0.97  # with 100,000 keys against one
MANY_KEYS = 100_000
IN_USE = 64  # keys, of which each asks in its turn

PROVIDERS = """
version: 1
providers:
  sandbox: {plugin: sandbox, models: {chat: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
"""
ROUTES = """
version: 1
keys: {anonymous: never}
stores: {database_url: "sqlite:gateway.db"}
models: {chat: {operation: chat, targets: [sandbox/chat]}}
routes:
  - path: /v1/chat/completions
    dialect: openai.chat
    quota: {requests: 1000000000/hour, tokens: 100000000000/hour, concurrent: 100000, budget: 100000 USD/day}
"""
CHAT = Chat((Message("user", (Text("word " * 200),)),))  # 1 kB


@dataclass(frozen=True, slots=True)
class House:
    services: Services
    config: Config
    secrets: list[str]

    @property
    def route(self) -> Route:
        return self.config.routes[0]


async def answer(call: Call) -> Reply:
    return Reply(events())


async def events() -> AsyncIterator[Event]:
    yield TextDelta("hello")
    yield Usage(Units(input_tokens=210, output_tokens=20))
    yield Done()


async def open_house(folder: Path, keys: int) -> House:
    folder.mkdir()
    (folder / "providers.yaml").write_text(PROVIDERS)
    (folder / "routes.yaml").write_text(ROUTES)
    services, config = open_services(), load(folder, {})
    await open_ledger(config, services)
    secrets = [new_secret() for _ in range(keys)]
    for number, secret in enumerate(secrets):
        services.keys._take(StoredKey(f"key_{number:012x}", "k", "acme", digest_of(secret), Scopes(), 0.0))
    services.limiter.shared.use(config.redis_url)
    return House(services, config, secrets)


def governed(house: House) -> tuple[Handler, auth.Auth]:
    links = [
        module.build(house.route, house.config, house.services) for module in (auth, quota, ledger, failover, cost)
    ]
    found = [link for link in links if link is not None]
    assert isinstance(found[0], auth.Auth)
    return compose(found, answer), found[0]


def plain(house: House) -> Handler:
    link = failover.build(house.route, house.config, house.services)
    assert link is not None
    return compose([link], answer)


async def burst(
    house: House, handler: Handler, admit: auth.Auth | None, requests: int = REQUESTS, in_use: int = IN_USE
) -> float:
    """Return the processor time of one request in microseconds, of all threads."""
    loop = asyncio.get_running_loop()
    targets = house.config.models[0].targets
    todo = iter(range(requests))

    async def worker() -> None:
        for number in todo:
            secret = house.secrets[number % in_use * 7919 % len(house.secrets)]  # far apart
            head = Head(
                f"request-{number}", "POST", house.route.path, {}, {"authorization": f"Bearer {secret}"}, "10.0.0.1"
            )
            receipt = Receipt(head.id, loop.time(), "1-bench", house.route.name, "chat", "openai.chat", model="chat")
            if admit is not None:
                head = admit.admit(head)
                assert head.client is not None
                receipt.client, receipt.tenant = head.client.name, head.client.tenant
            call = Call(head.id, "chat", "openai.chat", "chat", CHAT, head, receipt, targets=targets)
            reply = await handler(call)
            async for _ in reply.events:
                pass
            await close(reply)
            if receipt.entry is not None:
                house.services.ledger.settle(settled(receipt.entry, receipt, 200, loop.time()))

    gc.collect()
    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    await house.services.ledger.flush(30)
    return (time.process_time() - before) / requests * 1e6


async def measure(folder: Path) -> tuple[float, float, float]:
    """Return the processor time of accounting for a request in microseconds, and which part of its throughput a whole
    governed request has where there are many keys, and where all of them are in use."""
    one, many = await open_house(folder / "one", IN_USE), await open_house(folder / "many", MANY_KEYS)
    gc.freeze()
    bare = plain(one)
    found = []
    for _ in range(ROUNDS + 1):
        governed_us, plain_us = await burst(one, *governed(one)), await burst(one, bare, None)
        found.append((governed_us, plain_us, await burst(many, *governed(many))))
    found = found[1:]  # the first is for warming up
    await burst(many, *governed(many), MANY_KEYS, MANY_KEYS)  # each key has its counters and its sums, as after a day
    in_use = [
        (await burst(one, *governed(one)), await burst(many, *governed(many), REQUESTS, MANY_KEYS)) for _ in range(3)
    ]
    for house in (one, many):
        await house.services.aclose()
    gc.unfreeze()
    return (
        statistics.median(full - base for full, base, _ in found),
        statistics.median(a / b for a, _, b in found),
        statistics.median(a / b for a, b in in_use),
    )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        cost_us, ratio, all_in_use = asyncio.run(measure(Path(folder)))
    for name, value, promise, is_kept in (
        ("key, limits, cost, ledger: a request", cost_us, PROMISED_US, cost_us <= PROMISED_US),
        ("the same throughput with 100,000 keys, ratio", ratio, PROMISED_RATIO, ratio >= PROMISED_RATIO),
    ):
        print(f"{name:<48}{value:>8.2f}  promised {promise:g}  {'kept' if is_kept else 'NOT KEPT'}")
    print(f"{'the same where all of them ask in turn, ratio':<48}{all_in_use:>8.2f}")
    return 0 if cost_us <= PROMISED_US and ratio >= PROMISED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
