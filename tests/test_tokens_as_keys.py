"""A token of an identity provider in the place of a key, from the request's head to the row in the ledger."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import ROOT, ROUTES, SANDBOX, Inside, inside, process
from tests.issuers.provider import IdentityProvider, identity_provider, signer

MAPPED = (
    "claims: {tenant: org, role: groups, models: models, operations: operations}, roles: {ops: operator, root: admin}"
)


def routes(url: str, more: str = "tenant: staff") -> str:
    jwt = f"[{{name: login, issuer: '{url}', audience: ai-gateway, {more}}}]"
    return ROUTES.replace("keys: {anonymous: loopback}", f"keys: {{anonymous: until_keys, jwt: {jwt}}}") + (
        "stores: {database_url: 'sqlite:gateway.db'}\n"
    )


async def ready(gateway: Inside) -> None:
    async with asyncio.timeout(5):
        while any(keyset.keys is None for keyset in gateway.services.issuers._keysets.values()):
            await asyncio.sleep(0.005)


async def chat(
    client: aiohttp.ClientSession, token: str = "", model: str = "chat", **headers: str
) -> tuple[int, dict[str, str], dict[str, Any]]:
    sent = {"authorization": f"Bearer {token}"} if token else headers
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    async with client.post("/v1/chat/completions", json=body, headers=sent) as answer:
        return answer.status, {name.lower(): text for name, text in answer.headers.items()}, await answer.json()


async def admin(client: aiohttp.ClientSession, path: str, token: str) -> tuple[int, dict[str, Any]]:
    async with client.get(path, headers={"authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


def full(provider: IdentityProvider, **changed: Any) -> str:
    claims = {"org": "acme", "groups": ["root"], "models": ["ch*"], "operations": ["chat"], **changed}
    return provider.token(**claims)


async def test_a_token_serves_within_its_claims_and_its_tenant_is_in_the_ledger(tmp_path: Path) -> None:
    async with identity_provider() as provider:
        async with (
            inside(tmp_path, SANDBOX, routes(provider.url, MAPPED)) as gateway,
            aiohttp.ClientSession(gateway.url) as client,
        ):
            await ready(gateway)
            assert (await chat(client))[0] == 401  # an issuer is a key that is declared
            status, headers, _ = await chat(client, full(provider))
            assert status == 200
            assert (await chat(client, **{"x-api-key": full(provider)}))[0] == 200
            assert (await chat(client, full(provider), model="sandbox/chat"))[0] == 403
            async with client.post(
                "/v1/embeddings",
                json={"model": "embed", "input": "a"},
                headers={"authorization": f"Bearer {full(provider)}"},
            ) as answer:
                assert answer.status == 403
            async with client.post(f"/v1/chat/completions?key={full(provider)}", json={}) as answer:
                assert answer.status == 401
            for token in (full(provider, aud="another"), full(provider)[:-4] + "AAAA", "a.b.c", "..", "x"):
                status, _, answer_body = await chat(client, token)
                assert (status, answer_body["error"]["code"]) == (401, "invalid_api_key")
            status, found = await admin(client, f"/admin/requests/{headers['x-request-id']}", full(provider))
            assert status == 200, found
            assert '"acme"' in json.dumps(found)
            assert '"login:ada"' in json.dumps(found)
            other = await admin(client, f"/admin/requests/{headers['x-request-id']}", full(provider, org="rival"))
            assert other[0] == 404


async def test_a_tokens_role_is_what_it_may_do_in_the_admin_api(tmp_path: Path) -> None:
    async with identity_provider() as provider:
        async with (
            inside(tmp_path, SANDBOX, routes(provider.url, MAPPED)) as gateway,
            aiohttp.ClientSession(gateway.url) as client,
        ):
            await ready(gateway)
            soon = datetime.now(UTC) + timedelta(seconds=60)
            for groups, read, made in ((["ops"], 200, 403), (["root"], 200, 201), (["staff"], 403, 403)):
                token = full(provider, groups=groups, models="*", operations="*")
                assert (await admin(client, "/admin/usage", token))[0] == read
                for ends, status in ((soon, made), (soon + timedelta(days=1), 403)):
                    async with client.post(
                        "/admin/keys",
                        json={"name": "made", "tenant": "acme", "expires_at": ends.isoformat()},
                        headers={"authorization": f"Bearer {token}"},
                    ) as answer:
                        assert answer.status == status, await answer.text()
            assert (await admin(client, "/admin/usage", full(provider, aud="another")))[0] == 401


async def test_the_admin_api_shows_the_issuers_without_a_secret(tmp_path: Path) -> None:
    async with identity_provider() as provider:
        fixed = "tenant: '*', claims: {role: groups}, roles: {root: admin}"
        async with (
            inside(tmp_path, SANDBOX, routes(provider.url, fixed)) as gateway,
            aiohttp.ClientSession(gateway.url) as client,
        ):
            await ready(gateway)
            status, shown = await admin(client, "/admin/config", full(provider))
            assert status == 200
            [issuer] = shown["keys"]["jwt"]
            assert (issuer["issuer"], issuer["tenant"], issuer["roles"]) == (provider.url, "*", {"root": "admin"})
            assert not {"secret", "public_key"} & set(issuer)


async def test_an_issuer_that_comes_after_the_gateway_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    absent = IdentityProvider(url)
    async with inside(tmp_path, SANDBOX, routes(url)) as gateway, aiohttp.ClientSession(gateway.url) as client:
        status, headers, body = await chat(client, absent.token())
        assert (status, body["error"]["code"], headers["retry-after"]) == (503, "issuer_unavailable", "10")
        assert "keys of issuer 'login' cannot be fetched" in body["error"]["message"]
        assert (await chat(client, "no-token"))[0] == 401
        async with identity_provider(port=port) as provider:
            [keyset] = gateway.services.issuers._keysets.values()
            keyset.request()
            await ready(gateway)
            assert (await chat(client, provider.token()))[0] == 200


async def test_a_reload_takes_issuers_in_and_out_and_no_token_is_in_the_log(tmp_path: Path) -> None:
    async with identity_provider() as provider, process(tmp_path, SANDBOX, ROUTES) as gateway:
        async with aiohttp.ClientSession(gateway.url) as client:
            gateway.write(routes=routes(provider.url))
            assert await gateway.reload() == []
            async with asyncio.timeout(5):
                while (await chat(client, provider.token()))[0] == 503:
                    await asyncio.sleep(0.01)
            token, wrong = provider.token(), provider.token(signer("RS256", "thief"))
            assert (await chat(client, token))[0] == 200
            assert (await chat(client, wrong))[0] == 401
            gateway.write(routes=ROUTES.replace("loopback", "never"))
            assert await gateway.reload() == []
            assert (await chat(client, token))[0] == 401
        await gateway.stop()
    log = json.dumps(gateway.log)
    assert not any(part in log for one in (token, wrong) for part in one.split("."))


def test_who_has_no_issuers_does_not_import_the_package() -> None:
    script = "import sys, gateway.cli, gateway.cli.run, gateway.services; print('jwt' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
