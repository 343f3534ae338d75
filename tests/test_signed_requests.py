"""Requests that are signed, and a vendor's model that nothing here serves: over HTTP, before the sandbox."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from gateway.dialects.signatures import Pair, pair_of
from gateway.stores.keys.secret import digest_of
from gateway.stores.keys.store import KeyStore
from gateway.types import Scopes
from tests import harness

SECRET, SIGNING_SECRET = "correct-horse-battery", "0123456789abcdef0123456789abcdef"
DECLARED = pair_of(SIGNING_SECRET, digest_of(SECRET))
BODY = b'{"Text":"Good morning.","OutputFormat":"pcm","VoiceId":"Joanna"}'
PATH = "/polly/v1/speech"
ROUTES = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{static: [{{name: app, key: {SECRET}, scopes: {{models: [speak]}}}}], signing_secret: {SIGNING_SECRET}}}
stores: {{database_url: "sqlite:gateway.db"}}
voices: {{Joanna: {{"*": nova}}, Amy: {{sandbox: tone-208}}}}
models:
  speak: {{operation: speech, targets: [sandbox/speech]}}
  neural: {{operation: speech, targets: [sandbox/speech]}}
  transcribe: {{operation: transcription, targets: [sandbox/transcription]}}
routes:
  - {{path: {PATH}, dialect: polly.speech, model: speak, cache: {{ttl_s: 60}}}}
  - {{path: /polly/v1/voices, dialect: polly.voices}}
  - {{path: /v1/speak, dialect: deepgram.speak, model: speak}}
  - {{path: /v1/listen, dialect: deepgram.listen, model: transcribe, cache: {{ttl_s: 60}}}}
  - {{path: /v1/models, dialect: openai.models}}
""".replace("scopes: {models: [speak]}", "models: [speak, transcribe]")


@dataclass
class Door:
    gateway: harness.Inside
    http: aiohttp.ClientSession
    store: KeyStore

    async def ask(
        self,
        path: str = PATH,
        body: bytes = BODY,
        pair: Pair = DECLARED,
        *,
        method: str = "POST",
        sent: bytes | None = None,
        more: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Sign a request, and send `sent` in the place of its body where that is given."""
        url = self.gateway.url + path
        request = AWSRequest(method, url, {"content-type": "application/json"}, body)
        SigV4Auth(Credentials(pair.access_key_id, pair.secret_access_key), "polly", "us-east-1").add_auth(request)
        headers = {name: str(value) for name, value in request.headers.items()} | (more or {})
        data = body if sent is None else sent
        async with self.http.request(method, URL(url, encoded=True), data=data, headers=headers) as answer:
            return answer.status, {name.lower(): text for name, text in answer.headers.items()}, await answer.read()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with harness.inside(tmp_path, harness.SANDBOX, ROUTES) as gateway, aiohttp.ClientSession() as http:
        yield Door(gateway, http, KeyStore(f"sqlite:{tmp_path}/gateway.db"))


async def test_a_signed_request_is_served_as_its_keys_client(door: Door) -> None:
    status, headers, audio = await door.ask()
    assert (status, headers["content-type"], headers["x-amzn-requestcharacters"]) == (200, "audio/pcm", "13")
    assert len(audio) > 8_000
    status, headers, listed = await door.ask("/polly/v1/voices?LanguageCode=en-US&Engine=neural", b"", method="GET")
    assert (status, listed[:10]) == (200, b'{"Voices":')


async def test_another_body_than_was_signed_is_refused_before_anything_is_made_of_it(door: Door) -> None:
    status, headers, body = await door.ask(sent=BODY.replace(b"morning", b"evening"))
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    assert b"check the secret access key" in body
    assert "x-gateway-cache" not in headers
    large = b'{"Text":"' + b"a" * 300_000 + b'"}'
    assert (await door.ask(body=large, sent=large.replace(b"a", b"b")))[0] == 403
    assert (await door.ask(more={"host": "other.example"}))[0] == 403


async def test_a_signature_is_taken_nowhere_but_where_clients_sign(door: Door) -> None:
    status, headers, _ = await door.ask("/v1/models", b"", method="GET")
    assert (status, headers["www-authenticate"]) == (401, "Bearer")


async def test_a_pair_ends_with_its_key(door: Door) -> None:
    key, secret = door.store.create("web", "web", Scopes(), None, time.time())
    await door.gateway.services.keys.refresh()
    pair = pair_of(SIGNING_SECRET, digest_of(secret), key.id)
    assert (await door.ask(pair=pair))[0] == 200
    _, other = door.store.rotate("web")
    await door.gateway.services.keys.refresh()
    status, headers, _ = await door.ask(pair=pair)
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    rotated = pair_of(SIGNING_SECRET, digest_of(other), key.id)
    assert rotated.access_key_id == pair.access_key_id
    assert (await door.ask(pair=rotated))[0] == 200
    door.store.revoke("web", time.time())
    await door.gateway.services.keys.refresh()
    status, headers, _ = await door.ask(pair=rotated)
    assert (status, headers["x-amzn-errortype"]) == (403, "UnrecognizedClientException")


async def test_a_keys_scopes_hold_for_its_pair(door: Door) -> None:
    body = BODY.replace(b'{"Text"', b'{"Engine":"neural","Text"')
    status, headers, told = await door.ask(body=body)
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert b"'neural'" in told


async def test_the_routes_model_stands_in_for_one_that_nothing_serves(door: Door) -> None:
    body = BODY.replace(b'{"Text"', b'{"Engine":"generative","LexiconNames":["w3c"],"Text"')
    status, headers, _ = await door.ask(body=body)
    assert (status, headers["x-gateway-model"], headers["x-gateway-dropped"]) == (200, "speech", "Engine,LexiconNames")
    status, headers, _ = await door.ask(body=body, more={"x-gateway-provider": "sandbox"})
    assert (status, headers["x-gateway-dropped"]) == (200, "Engine,LexiconNames")
    status, headers, _ = await door.ask()
    assert "x-gateway-dropped" not in headers


async def test_what_stands_under_a_star_is_for_who_has_no_voice_of_the_name(door: Door) -> None:
    as_joanna, as_nova, as_amy = [
        (await door.ask(body=BODY.replace(b"Joanna", name)))[2] for name in (b"Joanna", b"nova", b"Amy")
    ]
    assert as_joanna == as_nova
    assert as_amy != as_nova
    assert (await door.ask(body=BODY.replace(b"Joanna", b"Hans")))[0] == 400


async def test_each_value_of_a_field_that_is_given_twice_decides_an_answer(door: Door) -> None:
    async with door.http.post(
        door.gateway.url + "/v1/speak?model=nova&encoding=linear16",
        json={"text": "Hello."},
        headers={"authorization": f"Token {SECRET}"},
    ) as spoken:
        wav = await spoken.read()
    found = []
    for query in ("keyterm=a&keyterm=c", "keyterm=b&keyterm=c", "keyterm=a&keyterm=c"):
        headers = {"authorization": f"Token {SECRET}", "content-type": "audio/wav"}
        async with door.http.post(f"{door.gateway.url}/v1/listen?{query}", data=wav, headers=headers) as heard:
            assert heard.status == 200
            found.append(heard.headers["x-gateway-cache"])
    assert found == ["miss", "miss", "hit"]


async def test_a_recording_comes_as_the_body_and_an_address_only_where_the_route_takes_it(door: Door) -> None:
    headers = {"authorization": f"Token {SECRET}", "content-type": "application/json"}
    async with door.http.post(
        door.gateway.url + "/v1/listen", data=b'{"url":"https://x.example/a"}', headers=headers
    ) as told:
        assert (told.status, told.headers["dg-request-id"]) == (400, told.headers["x-request-id"])
        assert "send the audio itself" in (await told.json())["err_msg"]
