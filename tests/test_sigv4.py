"""Credentials for signed requests by botocore's own chain: files of a temporary home, and roles of faked services."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway import sigv4
from gateway.errors import UpstreamRefusedUs
from gateway.plugin import Found
from gateway.types import Provider
from tests.given import plain_plugin
from tests.harness import ROOT, process
from tests.vendors.bedrock import ACCESS_KEY, SECRET_KEY, BedrockServer
from tests.vendors.polly import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, PollyServer

QUIET = {"AWS_EC2_METADATA_DISABLED": "true"}  # nobody asks 169.254.169.254 in a test
FILE = f"""
[default]
aws_access_key_id = {ACCESS_KEY_ID}
aws_secret_access_key = {SECRET_ACCESS_KEY}
[models]
aws_access_key_id = {ACCESS_KEY}
aws_secret_access_key = {SECRET_KEY}
[helped]
credential_process = /bin/sh -c 'echo said-in-confidence >&2; exit 3'
"""


def provider(**options: Any) -> Provider:
    return Provider("p", plain_plugin(), "", credentials={"access_key_id": "given"}, options=options)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the shared credentials file, and nothing of this machine's own in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (QUIET | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(FILE)
    return tmp_path


@dataclass
class Roles:
    """The services of a container and of a machine that give a role's credentials; the last of `secrets` stays."""

    secrets: list[str] = field(default_factory=lambda: [SECRET_ACCESS_KEY])
    lasts: timedelta = timedelta(hours=1)
    asked: list[str] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        self.authorization.append(request.headers.get("authorization"))
        if request.path == "/latest/api/token":
            return web.Response(text="imds-token")
        if request.path == "/latest/meta-data/iam/security-credentials/":
            return web.Response(text="the-role")
        if request.path not in ("/container", "/latest/meta-data/iam/security-credentials/the-role"):
            return web.Response(status=404)
        ends_at = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = self.secrets.pop(0) if len(self.secrets) > 1 else self.secrets[0]
        keys = {"AccessKeyId": ACCESS_KEY_ID, "SecretAccessKey": secret, "Token": "role-token"}
        return web.json_response({"Code": "Success", **keys, "Expiration": ends_at})


@asynccontextmanager
async def roles() -> AsyncIterator[Roles]:
    served = Roles()
    runner = web.ServerRunner(web.Server(served.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


# ---------------------------------------------------------------- what the chain finds


def test_without_the_option_what_is_given_stands(home: Path) -> None:
    assert sigv4.find(provider()) == Found({"access_key_id": "given"})
    assert sigv4.needs({}) == ("access_key_id", "secret_access_key")
    assert sigv4.needs({"credentials": "chain"}) == ()


def test_the_shared_file_is_read_by_its_default_profile_or_the_one_named(home: Path) -> None:
    default, named = (
        sigv4.find(provider(credentials="chain")),
        sigv4.find(provider(credentials="chain", profile="models")),
    )
    assert default == Found(
        {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY, "session_token": ""}
    )
    assert named.credentials["access_key_id"] == ACCESS_KEY


def test_the_environment_comes_before_the_file_unless_a_profile_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ACCESS_KEY_ID", "AKIDENV"), ("SECRET_ACCESS_KEY", "s"), ("SESSION_TOKEN", "t")):
        monkeypatch.setenv(f"AWS_{name}", value)
    found = sigv4.find(provider(credentials="chain")).credentials
    assert (found["access_key_id"], found["session_token"]) == ("AKIDENV", "t")
    assert sigv4.find(provider(credentials="chain", profile="models")).credentials["access_key_id"] == ACCESS_KEY


async def test_a_machines_role_is_found_with_its_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".aws" / "credentials").unlink()
    async with roles() as served:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", served.url)
        found = await asyncio.to_thread(sigv4.find, provider(credentials="chain"))
    assert found.credentials["session_token"] == "role-token"
    assert found.lasts_s is not None
    assert 3500 < found.lasts_s <= 3600
    assert served.asked[0] == "PUT /latest/api/token"


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("nobody", "looking for the credentials of profile 'nobody' failed with ProfileNotFound; correct what"),
        ("helped", "looking for the credentials of profile 'helped' failed with CredentialRetrievalError"),
    ],
)
def test_a_profile_that_gives_none_is_named_and_nobody_quoted(home: Path, profile: str, message: str) -> None:
    with pytest.raises(UpstreamRefusedUs) as caught:
        sigv4.find(provider(credentials="chain", profile=profile))
    assert caught.value.message.startswith(message)
    assert "confidence" not in caught.value.message


def test_no_credentials_anywhere_are_said(home: Path) -> None:
    (home / ".aws" / "credentials").unlink()
    with pytest.raises(UpstreamRefusedUs, match="no credentials in the environment, the shared files, or as the role"):
        sigv4.find(provider(credentials="chain"))


async def test_an_answer_without_its_fields_is_the_chains_fault(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".aws" / "credentials").unlink()

    async def odd(request: web.BaseRequest) -> web.Response:
        return web.json_response({"AccessKeyId": "A"})

    runner = web.ServerRunner(web.Server(odd))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{runner.addresses[0][1]}/")
    try:
        with pytest.raises(UpstreamRefusedUs, match="failed with KeyError"):
            await asyncio.to_thread(sigv4.find, provider(credentials="chain"))
    finally:
        await runner.cleanup()


def test_signing_imports_nothing_that_finding_did_not() -> None:
    """It runs on the event loop, which 0.3 s of importing would stop for everybody."""
    script = """
import sys
from gateway import sigv4
from gateway.types import Model, Provider, Target, UpstreamRequest
given = Provider("p", None, "", credentials={"access_key_id": "a", "secret_access_key": "b"})
assert "botocore" not in sys.modules
sigv4.find(given)
before = set(sys.modules)
request = UpstreamRequest("POST", "https://vendor.test/", {}, b"{}")
sigv4.sign(request, Target(given, Model("m", "speech")), service="polly", region="us-east-1")
print(sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]"


# ---------------------------------------------------------------- through the gateway, as a process


def files(polly: PollyServer, options: str, bedrock: BedrockServer | None = None) -> tuple[str, str]:
    """Return the two YAML files; static keys are there, and empty."""
    keys = '{access_key_id: "${AWS_ACCESS_KEY_ID:-}", secret_access_key: "${AWS_SECRET_ACCESS_KEY:-}"}'
    rows = f"""
version: 1
providers:
  polly:
    plugin: polly
    base_url: {polly.base_url}
    credentials: {keys}
    options: {{region: {REGION}{options}}}
    models: {{neural: {{operation: speech}}}}
"""
    if bedrock is not None:
        rows += f"""
  bedrock:
    plugin: bedrock
    base_url: {bedrock.base_url}
    options: {{credentials: chain, profile: models}}
    models: {{"amazon.nova-lite-v1:0": {{operation: chat}}}}
"""
    routes = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models: {speak: {operation: speech, targets: [polly/neural]}}
routes:
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: "/proxy/{provider}/{path}", dialect: proxy, allow: {polly: ["POST /v1/speech"]}}
"""
    return rows, routes


async def post(url: str, path: str, body: Any) -> tuple[int, bytes]:
    async with aiohttp.ClientSession(url) as http, http.post(path, json=body) as response:
        return response.status, await response.read()


SPEECH = {"input": "Hello.", "voice": "nova", "response_format": "mp3"}


async def test_the_shared_file_of_the_home_signs_for_both_vendors(home: Path, tmp_path: Path) -> None:
    async with PollyServer() as polly, BedrockServer() as bedrock:
        rows, routes = files(polly, ", credentials: chain", bedrock)
        async with process(tmp_path, rows, routes, QUIET) as gateway:
            assert (await post(gateway.url, "/v1/audio/speech", SPEECH))[0] == 200
            chat = {"model": "bedrock/amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "hello"}]}
            assert (await post(gateway.url, "/v1/chat/completions", chat))[0] == 200
    assert (polly.refused, bedrock.refused) == ([], [])


async def test_a_containers_role_signs_and_is_asked_for_once(tmp_path: Path) -> None:
    async with PollyServer() as polly, roles() as served:
        environ = QUIET | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{served.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod",
        }
        async with process(tmp_path, *files(polly, ", credentials: chain"), environ) as gateway:
            asked = [post(gateway.url, "/v1/audio/speech", SPEECH) for _ in range(5)]
            assert {status for status, _ in await asyncio.gather(*asked)} == {200}
    assert polly.refused == []
    assert {record.header("x-amz-security-token") for record in polly.requests} == {"role-token"}
    assert (served.asked, served.authorization) == (["GET /container"], ["pod"])


async def test_credentials_that_the_vendor_refuses_are_looked_for_again(tmp_path: Path) -> None:
    async with PollyServer() as polly, roles() as served:
        served.secrets = ["rotated away", SECRET_ACCESS_KEY]
        environ = QUIET | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{served.url}/container"}
        async with process(tmp_path, *files(polly, ", credentials: chain"), environ) as gateway:
            statuses = [(await post(gateway.url, "/v1/audio/speech", SPEECH))[0] for _ in range(3)]
    assert statuses == [502, 200, 200]
    assert len(served.asked) == 2


async def test_what_is_passed_through_is_signed_by_the_chain_too(home: Path, tmp_path: Path) -> None:
    asked = {"Text": "Hello.", "OutputFormat": "mp3", "VoiceId": "Joanna", "Engine": "neural"}
    async with PollyServer() as polly:
        async with process(tmp_path, *files(polly, ", credentials: chain"), QUIET) as gateway:
            status, audio = await post(gateway.url, "/proxy/polly/v1/speech", asked)
    assert (status, polly.refused) == (200, [])
    assert len(audio) > 1_000


async def test_without_keys_and_without_the_option_the_provider_is_off(home: Path, tmp_path: Path) -> None:
    async with PollyServer() as polly:
        async with process(tmp_path, *files(polly, ""), QUIET) as gateway:
            status, body = await post(gateway.url, "/v1/audio/speech", SPEECH | {"provider": "polly"})
    assert (status, len(polly.requests)) == (503, 0)
    assert b"AWS_ACCESS_KEY_ID is not set" in body


async def test_with_the_option_the_provider_is_on_and_a_chain_without_any_says_so(tmp_path: Path) -> None:
    async with PollyServer() as polly:
        async with process(tmp_path, *files(polly, ", credentials: chain"), QUIET) as gateway:
            status, body = await post(gateway.url, "/v1/audio/speech", SPEECH)
    assert (status, len(polly.requests)) == (502, 0)
    assert b"no credentials in the environment" in body


def test_a_profile_without_the_chain_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "providers.yaml").write_text(
        "version: 1\nproviders:\n"
        "  polly: {plugin: polly, options: {profile: dev}, models: {neural: {operation: speech}}}\n"
    )
    (tmp_path / "routes.yaml").write_text("version: 1\n")
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "check", str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "options lacks 'credentials', which 'profile' needs" in ran.stdout
