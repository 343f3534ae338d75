"""Service accounts against a real token endpoint on this machine: signed, fetched once, shared, renewed, told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from openai import APIStatusError, AsyncOpenAI

from gateway.plugin import Token
from gateway.types import Model, Provider, Target, UpstreamRequest, UpstreamResponse
from gateway.upstream.tokens import EARLY_S, Tokens
from plugins import google_stt
from tests import harness
from tests.given import Clock
from tests.vendors.faults import Fault
from tests.vendors.google_stt import PROJECT, GoogleSttServer
from tests.vendors.tones import tone_pcm, wav_file

RECORDING = wav_file(tone_pcm(400, 1.0))
TEXT = "This is google and the recording lasts 1 seconds."


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """Return a private key and its public one, in PEM."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def account(server: GoogleSttServer, key: str, **changes: Any) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "gateway@simulated-project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": key,
            "token_uri": f"{server.origin}/token",
        }
        | changes
    )


@asynccontextmanager
async def serving(folder: Path, server: GoogleSttServer, credential: str) -> AsyncIterator[AsyncOpenAI]:
    providers = f"""
version: 1
providers:
  google:
    plugin: google_stt
    base_url: {server.base_url}
    options: {{api: v2, project: {PROJECT}}}
    credentials: {{service_account: "${{ACCOUNT}}"}}
    models: {{long: {{operation: transcription}}}}
"""
    routes = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models: {listen: {operation: transcription, targets: [google/long]}}
routes:
  - {path: /v1/audio/transcriptions, dialect: openai.transcription, model: listen}
"""
    async with harness.inside(folder, providers, routes, {"ACCOUNT": credential}) as gateway:
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as client:
            yield client


async def ask(client: AsyncOpenAI) -> str:
    answer = await client.audio.transcriptions.create(model="listen", file=("a.wav", RECORDING))
    return answer.text


async def test_one_token_serves_all_who_ask_at_once(tmp_path: Path, keys: tuple[str, str]) -> None:
    async with GoogleSttServer(public_key=keys[1]) as server, serving(tmp_path, server, account(server, keys[0])) as at:
        assert await asyncio.gather(*(ask(at) for _ in range(8))) == [TEXT] * 8
        assert server.tokens_given == 1
        assert server.refused == []
        assert server.requests[-1].header("x-goog-user-project") == PROJECT


async def test_a_token_that_is_not_accepted_is_not_kept(tmp_path: Path, keys: tuple[str, str]) -> None:
    async with GoogleSttServer(public_key=keys[1]) as server, serving(tmp_path, server, account(server, keys[0])) as at:
        await ask(at)
        server.faults.add(Fault("status", status=401, path="/v2"))
        with pytest.raises(APIStatusError) as caught:
            await ask(at)
        assert caught.value.status_code == 502
        assert await ask(at) == TEXT
        assert server.tokens_given == 2


@pytest.mark.parametrize(
    "changes", [{"private_key": "no key"}, {"private_key": ""}, {"token_uri": "http://example.com"}]
)
async def test_a_broken_account_is_the_operators_fault(
    changes: dict[str, str], tmp_path: Path, keys: tuple[str, str]
) -> None:
    async with GoogleSttServer(public_key=keys[1]) as server:
        async with serving(tmp_path, server, account(server, keys[0], **changes)) as at:
            with pytest.raises(APIStatusError) as caught:
                await ask(at)
            assert (caught.value.status_code, caught.value.code) == (502, "upstream_refused_credentials")
            assert keys[0][30:60] not in str(caught.value)


async def test_a_stranger_gets_no_token(tmp_path: Path, keys: tuple[str, str]) -> None:
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    async with GoogleSttServer(public_key=keys[1]) as server:
        async with serving(tmp_path, server, account(server, other.decode())) as at:
            with pytest.raises(APIStatusError) as caught:
                await ask(at)
            assert caught.value.status_code == 502
            assert server.tokens_given == 0


# ---------------------------------------------------------------- when


def target(**credentials: str) -> Target:
    plugin: Any = google_stt.PLUGIN
    options = {"api": "v2", "auth": "metadata", "project": PROJECT}
    return Target(
        Provider("google", plugin, "https://x.example", credentials=credentials, options=options),
        Model("long", "transcription"),
    )


class Given:
    """Gives t1, t2, t3 …, each for an hour."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, request: UpstreamRequest, target: Target, deadline_s: float) -> UpstreamResponse:
        assert (request.method, request.headers["metadata-flavor"]) == ("GET", "Google")
        self.count += 1
        body = json.dumps({"access_token": f"t{self.count}", "expires_in": 3600}).encode()

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        async def close() -> None:
            return None

        return UpstreamResponse(200, {}, chunks(), close)


async def test_a_token_is_renewed_before_it_ends() -> None:
    clock, given = Clock(), Given()
    tokens = Tokens(given, clock, clock)

    async def current() -> str:
        equipped = await tokens.equip(target(), float("inf"))
        return equipped.provider.credentials["access_token"]

    assert [await current(), await current()] == ["t1", "t1"]
    clock.now_s += 3600 - EARLY_S - 1
    assert await current() == "t1"
    clock.now_s += 1
    assert await current() == "t2"


async def test_other_credentials_get_another_token() -> None:
    clock, given = Clock(), Given()
    tokens = Tokens(given, clock, clock)
    await tokens.equip(target(api_key="a"), float("inf"))
    await tokens.equip(target(api_key="b"), float("inf"))
    await tokens.equip(target(api_key="a"), float("inf"))
    assert given.count == 2


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Token("secret", 1.0))
