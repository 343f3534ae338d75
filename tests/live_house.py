"""A gateway with live sockets in front of the fake Deepgram and the fake OpenAI, or of the sandbox; clients of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from gateway.config.load import load
from gateway.server.reloader import adopt
from gateway.snapshot import build_snapshot
from tests.harness import Inside, Process, inside, process
from tests.stores.entries import rows
from tests.vendors.deepgram import API_KEY as DEEPGRAM_KEY
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.openai import API_KEY as OPENAI_KEY
from tests.vendors.openai import OpenAIServer

KEY = "k3y-of-ann-0123456789ab"
LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
SPEAK = "/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=16000"
REALTIME = "/v1/realtime?model=gpt-realtime"
FRAME = b"\x01\x00" * 320  # 20 ms at 16 kHz
FRAME_S = 0.02

PROVIDERS = """
version: 1
providers:
  deepgram:
    plugin: deepgram
    base_url: {deepgram}
    credentials: {{api_key: {deepgram_key}}}
    models:
      nova-3:
        operation: transcription
        price: {{usd_per_audio_minute: 0.6}}
        live_price: {{usd_per_audio_minute: 0.06}}
      aura-2: {{operation: speech, price: {{usd_per_mchar: 30}}}}
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-realtime:
        operation: realtime
        price:
          input_usd_per_mtok: 4
          output_usd_per_mtok: 16
          input_audio_usd_per_mtok: 32
          output_audio_usd_per_mtok: 64
"""
SANDBOX = """
version: 1
providers:
  sandbox:
    plugin: sandbox
    models:
      nova-3: {operation: transcription, price: {usd_per_audio_minute: 0.06}}
      aura-2: {operation: speech, formats: [pcm], price: {usd_per_mchar: 30}}
      gpt-realtime: {operation: realtime, price: {input_usd_per_mtok: 4, output_usd_per_mtok: 16}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {static: [{name: ann, key: KEY}]}
stores: {database_url: "sqlite:gateway.db"}
defaults: {live: LIVE}
routes:
  - {path: /v1/listen, dialect: deepgram.listen_live}
  - {path: /v1/speak, dialect: deepgram.speak_live}
  - {path: /v1/realtime, dialect: openai.realtime}
"""


def routes(live: str = "{ping_s: 20}", more: str = "") -> str:
    """Return the routes; `more` are further sections."""
    return ROUTES.replace("KEY", KEY).replace("LIVE", live) + more


@dataclass
class House:
    """`gateway` runs in the test's loop; `vendor` is the fake Deepgram, `other` the fake OpenAI."""

    gateway: Inside
    vendor: DeepgramServer
    other: OpenAIServer
    http: aiohttp.ClientSession
    folder: Path

    @property
    def ledger(self) -> str:
        return ledger_of(self.folder)

    def socket(self, path: str, **more: Any) -> Any:
        return self.http.ws_connect(path, headers={"authorization": f"Token {KEY}"}, autoping=True, **more)

    async def reload(self) -> None:
        """Apply what the files say now."""
        config = load(self.folder, {})
        number = int(self.gateway.gateway.snapshot.generation.partition("-")[0])
        snapshot = build_snapshot(config, self.gateway.services, number + 1)
        self.gateway.gateway.snapshot = snapshot
        adopt(snapshot, self.gateway.services)

    async def idle(self) -> None:
        """Wait until no session is open any more."""
        await until(lambda: not self.gateway.gateway.in_flight)


@asynccontextmanager
async def house(folder: Path, live: str = "{ping_s: 20}", more: str = "", providers: str = "") -> AsyncIterator[House]:
    async with DeepgramServer() as vendor, OpenAIServer() as other:
        text = providers or vendors(vendor.base_url, other.base_url)
        async with inside(folder, text, routes(live, more)) as gateway:
            async with aiohttp.ClientSession(gateway.url) as http:
                yield House(gateway, vendor, other, http, folder)


@asynccontextmanager
async def running(folder: Path, live: str, vendor: DeepgramServer, server: str = "") -> AsyncIterator[Process]:
    """Run the gateway as a process in front of a vendor of this loop."""
    text = routes(live).replace('"127.0.0.1:0"', f'"127.0.0.1:0"{server}')
    async with process(folder, vendors(vendor.base_url, "http://127.0.0.1:9"), text) as gateway:
        yield gateway


def vendors(deepgram: str, openai: str) -> str:
    return PROVIDERS.format(deepgram=deepgram, deepgram_key=DEEPGRAM_KEY, openai=openai, openai_key=OPENAI_KEY)


def deepgram(url: str, key: str = KEY) -> AsyncDeepgramClient:
    """Return the vendor's own client of a gateway."""
    socket = url.replace("http", "ws", 1)
    environment = DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)
    return AsyncDeepgramClient(api_key=key, environment=environment)


def ledger_of(folder: Path) -> str:
    return f"sqlite:{folder / 'gateway.db'}"


def settled(folder: Path, what: str = "status, outcome, audio_seconds, cost_nano_usd, is_estimated") -> list[Any]:
    """Return all rows of the ledger; each is there once, and settled."""
    found = rows(ledger_of(folder), f"state, {what}")
    assert {row[0] for row in found} <= {"settled"}
    return [row[1:] for row in found]


async def until(is_so: Callable[[], Any], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.01)


async def told(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[Any], int | None, str]:
    """Return what came until the close frame: messages (JSON parsed, audio as bytes), its code and its reason."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                found.append(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.BINARY:
                found.append(message.data)
            elif message.type is aiohttp.WSMsgType.CLOSE:
                return found, message.data, message.extra or ""
            else:
                return found, socket.close_code, ""


def kinds(messages: list[Any]) -> list[str]:
    """Return the types of the messages that are JSON."""
    return [message["type"] for message in messages if isinstance(message, dict)]
