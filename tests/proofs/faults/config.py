"""The YAML under which faults are shown: each fault, kind of work and route has a first target of its own, so that what
is remembered of one target (a breaker, an average) says nothing of another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tests.proofs.faults.rows import ROWS
from tests.proofs.faults.work import WORKS, Work
from tests.vendors import anthropic, deepgram, elevenlabs, openai
from tests.vendors.server import VendorServer

OUTAGE = "outage"
TOTAL_S = 8.0  # the deadline of every request
FIRST_CONTENT_S = 1.5
IDLE_S = 1.0
PLAIN, HELD = "", "/held"  # how the paths of routes begin
HOLD = "hold: all"

_KEYS = {
    "openai": openai.API_KEY,
    "deepgram": deepgram.API_KEY,
    "anthropic": anthropic.API_KEY,
    "elevenlabs": elevenlabs.API_KEY,
}
_MODELS = {
    "openai": """
      gpt-4o: {operation: chat, price: {input_usd_per_mtok: 2.5, output_usd_per_mtok: 10}}
      gpt-4o-mini: {operation: chat, price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6}}
      gpt-4o-mini-tts:
        operation: speech
        options: {speech_usage: true}
        price: {input_usd_per_mtok: 0.6, output_usd_per_mtok: 12}""",
    "deepgram": """
      aura-2: {operation: speech, price: {usd_per_mchar: 30}}
      nova-3: {operation: transcription, price: {usd_per_audio_minute: 0.0043}}""",
    "anthropic": """
      claude-haiku-4-5: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 5}}""",
    "elevenlabs": """
      eleven_flash_v2_5: {operation: speech, price: {usd_per_mchar: 60}}
      scribe_v2: {operation: transcription, price: {usd_per_audio_minute: 0.0067}}""",
}


ROUTES_OF_HOLDS = (PLAIN, HELD)  # how the paths of routes begin: without and with `hold`


def slug(fault: str, work: Work, route: str) -> str:
    """Return the model, which is also what a provider's name ends with, for a fault and a kind of work on a route."""
    plain = re.sub(r"[^a-z0-9]+", "-", f"{fault} {work.name} {route}".lower())
    return plain.strip("-")


def providers_yaml(vendors: Mapping[str, VendorServer], addresses: Mapping[str, str]) -> str:
    """Return providers.yaml; `addresses` are those that cannot be reached, by how."""
    rows = [_provider(name, name, server.base_url, "{}") for name, server in vendors.items()]
    timeouts = f"{{connect_s: 1, first_byte_s: {FIRST_CONTENT_S}, idle_s: {IDLE_S}}}"
    for work, model, address in _firsts():
        vendor = work.first.partition("/")[0]
        base_url = addresses.get(address, vendors[vendor].base_url)
        rows.append(_provider(f"{vendor}-{model}", vendor, base_url, timeouts))
    return "version: 1\nproviders:\n" + "\n".join(rows) + "\n"


def routes_yaml() -> str:
    """Return routes.yaml: each route for each way to hold, each model for each fault and kind of work."""
    models = []
    for work in WORKS:
        operation = {"/v1/audio/speech": "speech", "/v1/audio/transcriptions": "transcription"}.get(work.path, "chat")
        targets = {slug("first", work, PLAIN): [work.first], slug("second", work, PLAIN): [work.second]}
        for each, model, _ in _firsts():
            if each is work:
                vendor, _, name = work.first.partition("/")
                targets[model] = [f"{vendor}-{model}/{name}", work.second]
        models += [
            f"  {model}: {{operation: {operation}, targets: [{', '.join(names)}]}}" for model, names in targets.items()
        ]
    routes = [
        f"  - {{path: {route}{path}, dialect: {dialect}, total_s: {TOTAL_S}, failover: "
        f"{{attempts: 3, first_content_s: {FIRST_CONTENT_S}{f', {HOLD}' if route == HELD else ''}}}}}"
        for route in ROUTES_OF_HOLDS
        for path, dialect in (
            ("/v1/chat/completions", "openai.chat"),
            ("/v1/audio/speech", "openai.speech"),
            ("/v1/audio/transcriptions", "openai.transcription"),
        )
    ]
    return (
        'version: 1\nserver: {listen: "127.0.0.1:0", log_level: warning}\nkeys: {anonymous: loopback}\n'
        "stores: {database_url: 'sqlite:gateway.db'}\nmodels:\n" + "\n".join(models) + "\nroutes:\n" + "\n".join(routes)
    )


def _firsts() -> Iterator[tuple[Work, str, str]]:
    """Yield kind of work, model and address of every first target that is to fail."""
    for route in ROUTES_OF_HOLDS:
        for work in WORKS:
            for row in ROWS:
                yield work, slug(row.name, work, route), row.address
            yield work, slug(OUTAGE, work, route), ""


def _provider(name: str, vendor: str, base_url: str, timeouts: str) -> str:
    return (
        f"  {name}:\n    plugin: {vendor}\n    base_url: {base_url}\n    credentials: {{api_key: {_KEYS[vendor]}}}\n"
        f"    timeouts: {timeouts}\n    models:{_MODELS[vendor]}"
    )
