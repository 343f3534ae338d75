"""Gateways that do everything there is a metric for, and a real Prometheus that scrapes them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import yaml

from tests.deploy.given import DEPLOY
from tests.harness import Process

START_S = 30.0  # a loaded machine may take its time
SCRAPE = "1s"
JOB = "ai-service-gateway"

PROVIDERS = """
version: 1
providers:
  vendor:
    plugin: openai
    base_url: VENDOR
    credentials: {api_key: API_KEY}
    models: {gpt-4o-mini: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}
  away:
    plugin: openai
    base_url: http://127.0.0.1:1/v1
    credentials: {api_key: nobody-hears-it}
    breaker: {consecutive: 2, open_s: 1, max_open_s: 1}
    probe: {path: /models, every_s: 1}
    models: {chat: {operation: chat, price: {usd_per_request: 0}}}
  sandbox:
    plugin: sandbox
    models:
      chat: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
      shadow: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
      paid: {operation: chat, price: {usd_per_request: 0.6}}
      breaking: {operation: chat, options: {fault: cut, after_events: 2}, price: {usd_per_request: 0}}
      failing: {operation: chat, options: {fault: server_error}, breaker: none, price: {usd_per_request: 0}}
      narrow:
        operation: chat
        options: {first_delay_s: 0.5}
        limits: {concurrent: 1, queue: {max: 1, max_wait_s: 5}}
        price: {usd_per_request: 0}
      speech: {operation: speech, formats: [wav, pcm, mp3], price: {usd_per_mchar: 15}}
      transcription: {operation: transcription, price: {usd_per_audio_minute: 0.006}}
"""

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", concurrent: 100}
keys: {anonymous: loopback}
stores: {redis_url: REDIS, database_url: "sqlite:gateway.db"}
models:
  chat: {operation: chat, targets: [sandbox/chat], shadow: {target: sandbox/shadow, percent: 100}}
  long: {operation: chat, targets: [vendor/gpt-4o-mini]}
  away: {operation: chat, targets: [away/chat, sandbox/chat]}
  broken: {operation: chat, targets: [sandbox/breaking, sandbox/chat]}
  failing: {operation: chat, targets: [sandbox/failing]}
  paid: {operation: chat, targets: [sandbox/paid]}
  narrow: {operation: chat, targets: [sandbox/narrow]}
  speak: {operation: speech, targets: [sandbox/speech]}
  transcribe: {operation: transcription, targets: [sandbox/transcription]}
limits:
  money: {per: [], only: {model: [paid]}, budget: 100 USD/day, alert_percents: [1]}
defaults: {failover: {backoff_s: 0.01, attempts: 2}}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /cached/v1/chat/completions, dialect: openai.chat, cache: {ttl_s: 300}}
  - {path: /held/v1/chat/completions, dialect: openai.chat, failover: {hold: all}}
  - {path: /few/v1/chat/completions, dialect: openai.chat, quota: {requests: 1/hour}}
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription, model: transcribe}
  - {path: /v1/listen, dialect: deepgram.listen_live, model: transcribe}
"""

# A second one, with workers, whose chat has no price: beside a budget that is refused.
WORKERS_PROVIDERS = """
version: 1
providers: {sandbox: {plugin: sandbox, models: {chat: {operation: chat}}}}
"""
WORKERS_ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", workers: 2}
keys: {anonymous: loopback}
models: {chat: {operation: chat, targets: [sandbox/chat]}}
routes: [{path: /v1/chat/completions, dialect: openai.chat}]
"""

CHAT = "/v1/chat/completions"


async def traffic(client: aiohttp.ClientSession, workers: str) -> set[int]:
    """Ask for everything once or a few times, and those at `workers`; return the statuses that came."""

    async def chat(model: str, path: str = CHAT, *, stream: bool = False, text: str = "hello") -> int:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        async with client.post(path, json=body) as answer:
            await answer.read()
            return answer.status

    await chat("chat", f"{workers}{CHAT}")

    statuses = [await chat("chat", "/cached" + CHAT) for _ in range(2)]
    for model in ("away", "away", "away", "failing", "paid", "paid"):
        statuses.append(await chat(model))
    statuses += [await chat("long", text="a story of a fox and a dog " * 300) for _ in range(2)]
    statuses.append(await chat("broken", "/held" + CHAT, stream=True))
    statuses += [await chat("chat", "/few" + CHAT) for _ in range(2)]
    statuses += await asyncio.gather(*(chat("narrow") for _ in range(4)))
    async with client.post(
        "/v1/audio/speech", json={"voice": "nova", "input": "The quick fox.", "response_format": "wav"}
    ) as spoken:
        audio, status = await spoken.read(), spoken.status
    form = aiohttp.FormData()
    form.add_field("file", audio, filename="speech.wav")
    async with client.post("/v1/audio/transcriptions", data=form) as heard:
        statuses += [status, heard.status]
    async with client.ws_connect("/v1/listen?encoding=linear16&sample_rate=16000") as listening:
        await listening.send_bytes(bytes(3_200))
        await listening.send_str('{"type": "CloseStream"}')
        async for _ in listening:
            pass
    return set(statuses)


@dataclass
class Prometheus:
    client: aiohttp.ClientSession

    async def query(self, expr: str) -> dict[str, Any]:
        """Return the API's answer: `status`, and `data.result` or `error`."""
        async with self.client.get("/api/v1/query?" + urlencode({"query": expr})) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def rules(self) -> list[dict[str, Any]]:
        async with self.client.get("/api/v1/rules") as answer:
            groups = (await answer.json())["data"]["groups"]
            return [rule for group in groups for rule in group["rules"]]

    async def scraped(self, times: int) -> None:
        """Wait until every target was scraped so many times more."""
        expr = f'min(sum_over_time(up{{job="{JOB}"}}[1h]))'
        before = await self._value(expr)
        async with asyncio.timeout(START_S):
            while await self._value(expr) < before + times:
                await asyncio.sleep(0.1)

    async def _value(self, expr: str) -> float:
        result = (await self.query(expr))["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


@asynccontextmanager
async def prometheus(folder: Path, gateways: Iterable[Process]) -> AsyncIterator[Prometheus]:
    """Run Debian's Prometheus on deploy/'s rules and scrape configuration, with these gateways for its look-up."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (job,) = (each for each in config["scrape_configs"] if each["job_name"] == JOB)
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [urlsplit(each.url).netloc for each in gateways]}]
    config["scrape_configs"] = [job]
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / "alerts.yaml")]
    (folder / "prometheus.yaml").write_text(json.dumps(config))  # which is YAML too
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "prometheus.log").open("w") as log:
        child = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            await _ready(client, folder / "prometheus.log")
            yield Prometheus(client)
    finally:
        child.kill()
        await child.wait()


async def _ready(client: aiohttp.ClientSession, log: Path) -> None:
    try:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    async with client.get("/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass  # it does not listen yet
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(log.read_text()) from None
