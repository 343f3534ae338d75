"""Twenty secrets, each of which would be known again anywhere, through every route and kind of error of a gateway that
logs at debug: none is in an answer, a log, a metric or a file. A key of the store is in the answer that made it only.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import wave
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.admin.routes import ROUTES as ADMIN_ROUTES
from tests.harness import ROOT, SANDBOX, Process, process
from tests.postgres_server import PASSWORD, PostgresServer
from tests.proofs.leaky_vendor import STATUSES, LeakyVendor, leaky_vendor
from tests.redis_server import redis_server

# What an operator keeps secret, by the variable that it comes from. No part of one is in another.
CANARIES = {
    "OPENAI_API_KEY": "sk-canary01Qw8ErTy",
    "ANTHROPIC_API_KEY": "sk-ant-canary02Zx7CvBn",
    "GEMINI_API_KEY": "AIzaCanary03Lk6JhGf",
    "DEEPGRAM_API_KEY": "canary04Po5IuYtRe",
    "ELEVENLABS_API_KEY": "canary05Mn4BvCxZa",
    "GOOGLE_API_KEY": "AIzaCanary06Wq3SdFg",
    "AWS_ACCESS_KEY_ID": "AKIACANARY07HJKLPO",
    "AWS_SECRET_ACCESS_KEY": "canary08/Tg2YhNuJm+Ik",
    "AWS_SESSION_TOKEN": "canary09Ed1RfVtGbY",
    "SERVICE_ACCOUNT_KEY": "canary10Aa9SsDdFfGg",
    "ORG_HEADER": "canary11Hh8JjKkLl",
    "HEADER_TOKEN": "canary12Qq7WwEeRr",
    "REDIS_PASSWORD": "canary13Tt6YyUuIi",
    "DATABASE_PASSWORD": "canary14Oo5PpAaSs",
    "HOOK_TOKEN": "canary15Dd4FfGgHh",
    "WEB_KEY": "canary16Jj3KkLlZz",
    "OPS_KEY": "canary17Xx2CcVvBb",
    "UNUSED": "canary18Nn1MmQqWw",  # stands in the environment only
}
WRONG_KEY, QUERY_KEY = "canary19Ee0RrTtYy", "canary20Uu9IiOoPp"  # what a client sends that is no key of ours

AT_STAKE = (  # are sent to somebody
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY", "GOOGLE_API_KEY",
    "AWS_SESSION_TOKEN", "ORG_HEADER", "HEADER_TOKEN", "HOOK_TOKEN",
)  # fmt: skip

ACCOUNT = json.dumps({"client_email": "a@b.iam", "private_key": "KEY", "token_uri": "URL/token"})


FREE = "price: {usd_per_request: 0}"


def providers(vendor: LeakyVendor) -> str:
    account = ACCOUNT.replace("URL", vendor.url).replace("KEY", "${SERVICE_ACCOUNT_KEY}").replace("'", "''")
    aws = "access_key_id: '${AWS_ACCESS_KEY_ID}', secret_access_key: '${AWS_SECRET_ACCESS_KEY}', "
    aws += "session_token: '${AWS_SESSION_TOKEN}'"
    return f"""{SANDBOX}
  open:
    plugin: openai
    base_url: "{vendor.url}/v1"
    credentials: {{api_key: "${{OPENAI_API_KEY}}"}}
    headers: {{x-org: "${{ORG_HEADER}}", x-more: "Token ${{HEADER_TOKEN}}"}}
    models:
      m: {{operation: chat, {FREE}}}
      tts-1: {{operation: speech, {FREE}}}
      stt: {{operation: transcription, {FREE}}}
  ant:
    plugin: anthropic
    base_url: "{vendor.url}"
    credentials: {{api_key: "${{ANTHROPIC_API_KEY}}"}}
    models: {{m: {{operation: chat, {FREE}}}}}
  gem:
    plugin: gemini
    base_url: "{vendor.url}"
    credentials: {{api_key: "${{GEMINI_API_KEY}}"}}
    models: {{m: {{operation: chat, {FREE}}}}}
  deep:
    plugin: deepgram
    base_url: "{vendor.url}"
    credentials: {{api_key: "${{DEEPGRAM_API_KEY}}"}}
    models: {{nova-3: {{operation: transcription, {FREE}}}}}
  eleven:
    plugin: elevenlabs
    base_url: "{vendor.url}"
    credentials: {{api_key: "${{ELEVENLABS_API_KEY}}"}}
    models: {{eleven_v3: {{operation: speech, {FREE}}}}}
  goo:
    plugin: google_stt
    base_url: "{vendor.url}"
    credentials: {{api_key: "${{GOOGLE_API_KEY}}"}}
    models: {{latest: {{operation: transcription, {FREE}}}}}
  account:
    plugin: google_stt
    base_url: "{vendor.url}"
    options: {{auth: service-account}}
    credentials: {{service_account: '{account}'}}
    models: {{latest: {{operation: transcription, {FREE}}}}}
  bed:
    plugin: bedrock
    base_url: "{vendor.url}"
    options: {{region: us-east-1}}
    credentials: {{{aws}}}
    models: {{m: {{operation: chat, {FREE}}}}}
"""


CHATS = ("open/m", "ant/m", "gem/m", "bed/m", "sandbox/chat", "nobody/m")
SPEAKERS = ("open/tts-1", "eleven/eleven_v3", "sandbox/speech")
HEARERS = ("open/stt", "deep/nova-3", "goo/latest", "account/latest")


def routes(vendor: LeakyVendor, redis_url: str, database_url: str) -> str:
    return f"""
version: 1
server: {{listen: "127.0.0.1:0", log_level: debug}}
keys:
  anonymous: never
  static:
    - {{name: web, key: "${{WEB_KEY}}"}}
    - {{name: ops, tenant: "*", role: admin, key: "${{OPS_KEY}}"}}
models:
  chat: {{operation: chat, targets: [sandbox/chat]}}
routes:
  - {{path: /v1/chat/completions, dialect: openai.chat}}
  - {{path: /v1/messages, dialect: anthropic.messages}}
  - {{path: /v1/responses, dialect: openai.responses}}
  - {{path: /v1/audio/speech, dialect: openai.speech}}
  - {{path: /v1/audio/transcriptions, dialect: openai.transcription}}
  - {{path: /v1/models, dialect: openai.models}}
  - {{path: "/proxy/{{provider}}/{{path}}", dialect: proxy, allow: {{open: ["GET /files", "POST /files"]}}}}
limits: {{money: {{per: [], budget: 0.01 USD/day, alert_percents: [1], only: {{model: [chat]}}}}}}
alerts: {{webhook: "{vendor.url}/hook?token=${{HOOK_TOKEN}}"}}
stores:
  redis_url: "{redis_url}"
  database_url: "{database_url}"
"""


def silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(32_000))
    return file.getvalue()


class Everything:
    """Asks for all there is, and keeps all that is answered."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.answers: list[str] = []
        self.statuses: set[int] = set()
        self.made: dict[str, str] = {}  # secrets of the store

    async def ask(self, method: str, path: str, key: str = "WEB_KEY", **more: Any) -> str:
        headers = {"authorization": f"Bearer {CANARIES.get(key, key)}"} if key else {}
        headers |= more.pop("headers", {})
        body = ""
        try:
            async with self._client.request(method, path, headers=headers, **more) as answer:
                self.answers.append(str(dict(answer.headers)))
                self.statuses.add(answer.status)
                async for chunk in answer.content.iter_any():
                    body += chunk.decode(errors="replace")
        except aiohttp.ClientPayloadError:  # a stream that broke, as it should
            pass
        if "gw_" in body:  # a key that was made or rotated is shown by this answer, and by no other
            self.made[f"stored key {len(self.made)}"] = json.loads(body)["key"]
        else:
            self.answers.append(body)
        return body

    async def vendors(self) -> None:
        texts = ["in-stream", *(f"status-{status}" for status in STATUSES)]
        for model in CHATS:
            for text in texts:
                for stream in (False, True):
                    said = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
                    await self.ask("POST", "/v1/chat/completions", json=said)
                    await self.ask("POST", "/v1/messages", json={**said, "max_tokens": 9})
                    await self.ask("POST", "/v1/responses", json={"model": model, "input": text, "stream": stream})
        for text in texts:
            await self.ask("POST", "/proxy/open/files", json={"say": text})
        for model in SPEAKERS:
            for text in texts:
                await self.ask("POST", "/v1/audio/speech", json={"model": model, "voice": "alloy", "input": text})
        for model in HEARERS:
            for text in texts:
                form = aiohttp.FormData({"model": model, "prompt": text, "language": "en"})
                form.add_field("file", silence(), filename="a.wav", content_type="audio/wav")
                await self.ask("POST", "/v1/audio/transcriptions", data=form)

    async def the_rest(self) -> None:
        for path in ("/", "/health", "/live", "/ready", "/metrics", "/docs", "/openapi.json", "/v1/models", "/nowhere"):
            for key in ("", "WEB_KEY", "OPS_KEY"):
                await self.ask("GET", path, key)
        for route in ADMIN_ROUTES:
            for key in ("", "WEB_KEY", WRONG_KEY, "OPS_KEY"):
                await self.ask(route.method, route.path.format(id="nobody", name="open"), key, json={"state": "on"})
        chat = {"model": "chat", "messages": [{"role": "user", "content": "hello " * 200}]}
        for most in (1_000, 10_000):  # enough for an alert, and more than the budget
            await self.ask("POST", "/v1/chat/completions", json={**chat, "max_tokens": most})
        await self.ask("POST", "/v1/chat/completions", WRONG_KEY, json=chat)
        await self.ask("POST", f"/v1/chat/completions?key={QUERY_KEY}", "", json=chat)
        for header in ("x-api-key", "x-goog-api-key", "cookie"):
            await self.ask("POST", "/v1/messages", "", json=chat, headers={header: f"{WRONG_KEY}"})
        await self.ask("POST", "/v1/chat/completions", data=b"{no json")
        await self.ask("POST", "/v1/chat/completions", json={"model": 7})
        await self.ask("PUT", "/v1/chat/completions", json=chat)


async def gateway_command(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments,
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await child.communicate()
    return said.decode()


async def rest_of_output(gateway: Process) -> str:
    assert gateway.process.stdout is not None
    return gateway.banner + (await gateway.process.stdout.read()).decode()


def hits(secrets: dict[str, str], places: dict[str, str]) -> list[str]:
    return [
        f"{name} in {place}: …{text[max(0, text.index(secret) - 120) : text.index(secret)]}"
        for place, text in places.items()
        for name, secret in secrets.items()
        if secret in text
    ]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_no_secret_is_in_any_answer_log_metric_or_file(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    places: dict[str, str] = {}
    async with leaky_vendor() as vendor, redis_server(tmp_path) as redis:
        url = "sqlite:gateway.db"
        if database == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.new_database().replace(PASSWORD, "${DATABASE_PASSWORD}")
        redis_url = f"redis://:${{REDIS_PASSWORD}}@127.0.0.1:{redis.port}/0"  # it wants none, and refuses this
        config = routes(vendor, redis_url, url)
        async with process(folder, providers(vendor), config, CANARIES) as gateway:
            async with aiohttp.ClientSession(gateway.url) as client:
                everything = Everything(client)
                made = json.loads(await everything.ask("POST", "/admin/keys", "OPS_KEY", json={"name": "kept"}))
                await everything.ask("POST", f"/admin/keys/{made['id']}/rotate", "OPS_KEY")
                await everything.vendors()
                await everything.the_rest()
                for broken in ("{", "open: {plugin: nothing}", "limits: 3"):
                    gateway.write(routes=f"{config}\n{broken}\n")
                    assert await gateway.reload()
                gateway.write(routes=config.replace("${HOOK_TOKEN}", "${HOOK_TOKEN}/${NOT_SET}"))
                assert await gateway.reload()
                gateway.write(routes=config)
                assert await gateway.reload() == []
            for name in folder.iterdir():  # while the file's log is there
                places[name.name] = name.read_bytes().decode("latin-1")
            await gateway.stop()
            places["standard output"] = await rest_of_output(gateway)
            places["the log"] = json.dumps([str(line) for line in gateway.log])
        for command in (("check", str(folder)), ("usage", str(folder)), ("db", "status", "--config", str(folder))):
            places[f"gateway {command[0]}"] = await gateway_command(folder, CANARIES, *command)
    places |= {f"answer {number}": text for number, text in enumerate(everything.answers)}
    secrets = {**CANARIES, "WRONG_KEY": WRONG_KEY, "QUERY_KEY": QUERY_KEY}
    assert (len(secrets), len(everything.made)) == (20, 2)
    assert {200, 400, 401, 402, 403, 404, 405, 429, 502, 503} <= everything.statuses
    sent = " ".join((*vendor.seen, *vendor.alerts))
    assert [name for name in AT_STAKE if CANARIES[name] not in sent] == []
    found = hits(secrets | everything.made, places)
    assert found == [], "\n".join(found)
