"""The configurations that a run loads, one after another: drawn once, alike in what the invariants go by."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path

from gateway.config.load import load
from gateway.config.model import Config
from tests.vendors import anthropic, openai

PORTS = {"alpha": 18_001, "beta": 18_002, "gamma": 18_003}
MODELS = {"alpha": "gpt-4o-mini", "beta": "gpt-4o", "gamma": "claude-haiku-4-5"}
TENANTS = {"key-a1": "a", "key-a2": "a", "key-b1": "b", "key-b2": "b"}
KEYS = tuple(TENANTS)
TOTAL_S = 6.0  # of every route
MOST_ATTEMPTS = 3
BUDGET_USD = 1_000
SECRET = "sk-of-chaos-0123456789-"  # and the key's name

# What a variant may say of failover besides.
HOLDS = ("hold: all", "hold: {events: 3}", "")
BESIDE = ("hedge: {after_ms: 300, max_percent: 100}", "continue: true", "repeat: unsent", "")

ALPHA_AT_ONCE = (
    "",
    "concurrent: 1, queue: {max: 2, max_wait_s: 1}",
    "concurrent: {adaptive: true, max: 5}, at_limit: wait",
)
AT_ONCE = (
    "",
    ", concurrent: 2, queue: {max: 3, max_wait_s: 1}",
    ", concurrent: {adaptive: true, max: 6}, queue: {max: 0}",
)

PROVIDERS = """
version: 1
providers:
  alpha:
    plugin: openai
    base_url: http://127.0.0.1:18001/v1
    credentials: {{api_key: {openai}}}
    timeouts: {{connect_s: 1, first_byte_s: {first_byte_s}, idle_s: 1}}
    limits: {{{alpha_at_once}}}
    models: {{gpt-4o-mini: {{operation: chat, price: {{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6}}}}}}
  beta:
    plugin: openai
    base_url: http://127.0.0.1:18002/v1
    credentials: {{api_key: {openai}}}
    timeouts: {{connect_s: 1, first_byte_s: {first_byte_s}, idle_s: 1}}
    models: {{gpt-4o: {{operation: chat, price: {{input_usd_per_mtok: 2.5, output_usd_per_mtok: 10}}}}}}
  gamma:
    plugin: anthropic
    base_url: http://127.0.0.1:18003/v1
    credentials: {{api_key: {anthropic}}}
    timeouts: {{connect_s: 1, first_byte_s: {first_byte_s}, idle_s: 1}}
    models: {{claude-haiku-4-5: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 5}}}}}}
"""
CACHES = (
    "",
    "cache: {ttl_s: 3},",
    "cache: {ttl_s: 600},",
    "cache: {ttl_s: 1, stale_while_revalidate_s: 2, stale_if_error_s: 4},",
    "coalesce: true,",
)
ROUTES = """
version: 1
server: {{listen: "127.0.0.1:0", log_level: error{at_once}}}
keys:
  static:
{keys}
models:
  chat: {{operation: chat, targets: [{targets}]}}
stores: {{database_url: "sqlite:gateway.db"}}
cache: {{max_bytes: {cache_bytes}}}
limits: {{all: {{per: [tenant], concurrent: {concurrent}, budget: {budget} USD total}}}}
routes:
  - {{path: /v1/chat/completions, dialect: openai.chat, total_s: {total_s}, verbatim: {verbatim}, {cache}
     failover: {{attempts: {attempts}, first_content_s: {first_content_s}{extras}}}}}
"""


def _variant(chance: random.Random, room: random.Random) -> tuple[str, str]:
    targets = chance.sample([f"{name}/{model}" for name, model in MODELS.items()], chance.randint(1, 3))
    extras = [chance.choice(choices) for choices in (HOLDS, BESIDE)]
    providers = PROVIDERS.format(
        alpha_at_once=room.choice(ALPHA_AT_ONCE),
        openai=openai.API_KEY,
        anthropic=anthropic.API_KEY,
        first_byte_s=chance.choice((0.5, 2, 10)),
    )
    routes = ROUTES.format(
        keys="\n".join(
            f"    - {{name: {key}, tenant: {tenant}, key: {SECRET}{key}}}" for key, tenant in TENANTS.items()
        ),
        targets=", ".join(targets),
        cache_bytes=chance.choice((0, 3_000, 1_000_000)),
        concurrent=chance.choice((3, 100)),
        budget=BUDGET_USD,
        total_s=TOTAL_S,
        verbatim=chance.choice(("true", "false")),
        cache=chance.choice(CACHES),
        attempts=chance.randint(1, MOST_ATTEMPTS),
        first_content_s=chance.choice((0.5, 2, 20)),
        at_once=room.choice(AT_ONCE),
        extras="".join(f", {extra}" for extra in extras if extra),
    )
    breaker = chance.choice(
        ("", "breaker: {consecutive: 1, open_s: 0.3}\n", "breaker: {consecutive: 3, return_s: 0}\n")
    )
    return providers + breaker, routes


VARIANTS = tuple(_variant(random.Random(f"variant {number}"), random.Random(f"room {number}")) for number in range(16))


@cache
def configs() -> tuple[Config, ...]:
    """Return the variants, loaded and checked once."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_loaded(Path(folder), *texts) for texts in VARIANTS)


def _loaded(folder: Path, providers: str, routes: str) -> Config:
    (folder / "providers.yaml").write_text(providers)
    (folder / "routes.yaml").write_text(routes)
    return load(folder, {})
