"""Pages of the origins in routes.yaml may call, others may not, and a reload changes which."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.harness import ROUTES, SANDBOX, Process, inside, process

PAGE = "https://app.example"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


def allowing(*origins: str) -> str:
    return ROUTES.replace('listen: "127.0.0.1:0"', f'listen: "127.0.0.1:0", cors: {{origins: [{", ".join(origins)}]}}')


async def test_a_preflight_is_answered_before_key_and_quota(tmp_path: Path) -> None:
    routes = allowing(PAGE).replace("anonymous: loopback", "anonymous: never, static: [app:k-3f9a8b7c6d5e4f3a2b1c]")
    async with inside(tmp_path, SANDBOX, routes) as gateway, aiohttp.ClientSession() as http:
        async with http.options(gateway.url + "/v1/chat/completions", headers=PREFLIGHT) as response:
            assert response.status == 200
            assert response.headers["access-control-allow-origin"] == PAGE
            assert response.headers["access-control-allow-methods"] == "POST"
            assert "AUTHORIZATION" in response.headers["access-control-allow-headers"].upper()
            assert response.headers["vary"] == "origin"
        stranger = PREFLIGHT | {"origin": "https://evil.example"}
        async with http.options(gateway.url + "/v1/chat/completions", headers=stranger) as response:
            assert response.status == 403
            assert "access-control-allow-origin" not in response.headers
            assert "server.cors.origins" in (await response.json())["error"]["message"]
        for path in ("/v1/nowhere", "/v1/models"):  # no such path; not by POST
            async with http.options(gateway.url + path, headers=PREFLIGHT) as response:
                assert response.status == 403


async def test_answers_and_errors_and_streams_carry_the_origin_and_show_the_headers(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, allowing(PAGE)) as gateway, aiohttp.ClientSession() as http:
        for body in (CHAT, CHAT | {"stream": True}, {"model": "nothing"}):
            async with http.post(gateway.url + "/v1/chat/completions", json=body, headers={"origin": PAGE}) as response:
                assert response.headers["access-control-allow-origin"] == PAGE
                assert "origin" in response.headers["vary"]
                assert "x-request-id" in response.headers["access-control-expose-headers"].lower()


async def test_a_foreign_page_does_not_get_in_as_the_local_user(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, allowing(PAGE)) as gateway, aiohttp.ClientSession() as http:
        url = gateway.url + "/v1/chat/completions"
        async with http.post(url, json=CHAT, headers={"origin": "https://evil.example"}) as response:
            assert response.status == 403
        async with http.post(url, json=CHAT, headers={"host": "rebound.example"}) as response:
            assert response.status == 403
        async with http.post(url, json=CHAT, headers={"x-forwarded-for": "9.9.9.9"}) as response:
            assert response.status == 401


async def test_a_reload_changes_the_origins(tmp_path: Path) -> None:
    async def is_allowed(gateway: Process, http: aiohttp.ClientSession) -> bool:
        async with http.options(gateway.url + "/v1/chat/completions", headers=PREFLIGHT) as response:
            return response.status == 200

    async with process(tmp_path, SANDBOX, ROUTES) as gateway, aiohttp.ClientSession() as http:
        assert not await is_allowed(gateway, http)
        gateway.write(routes=allowing(PAGE))
        assert await gateway.reload() == []
        assert await is_allowed(gateway, http)
