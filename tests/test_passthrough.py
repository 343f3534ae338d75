"""Vendors' own endpoints through the gateway: what may pass goes out byte for byte, and nothing else gets anywhere."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from openai import AsyncOpenAI

from tests.harness import Inside, inside
from tests.vendors.openai import API_KEY, OpenAIServer

SECRET = "sk-the-operators-own-key"
CALLER = "0123456789abcdef-caller"
ALLOW = '["GET /files", "POST /files", "GET /files/*", "GET /files/*/content", "DELETE /files/*", "PATCH /x", "PUT /x"]'


@dataclass
class Vendor:
    """A server that keeps what it got and answers what it is told to."""

    seen: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answer: dict[str, Any] | None = None  # what `web.Response` takes
    stream_gap: asyncio.Event | None = None
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.content.read())
        if self.stream_gap is not None:
            response = web.StreamResponse(headers={"content-type": "application/x-thing"})
            await response.prepare(request)
            await response.write(b"first")
            await self.stream_gap.wait()
            await response.write(b"second")
            return response
        return web.Response(**self.answer) if self.answer else web.json_response({"ok": True})


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    it = Vendor()
    runner = web.ServerRunner(web.Server(it.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield it
    await runner.cleanup()


def files(url: str, more: str = "", server: str = "") -> tuple[str, str]:
    providers = f"""
version: 1
providers:
  acme: {{plugin: openai, base_url: "{url}", credentials: {{api_key: {SECRET}}}}}
  absent: {{plugin: openai, credentials: {{api_key: "${{ABSENT_KEY:-}}"}}}}
  other: {{plugin: openai, base_url: "{url}", credentials: {{api_key: {SECRET}}}}}
"""
    routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"{server}}}
keys: {{anonymous: never, static: ["caller:{CALLER}"]}}
routes:
  - {{path: "/proxy/{{provider}}/{{path}}", dialect: proxy, allow: {{acme: {ALLOW}, absent: [GET /files]}}{more}}}
"""
    return providers, routes


@pytest.fixture
async def gateway(tmp_path: Path, vendor: Vendor) -> AsyncIterator[Inside]:
    async with inside(tmp_path, *files(vendor.url)) as running:
        yield running


@pytest.fixture
async def http(gateway: Inside) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {CALLER}"}
    async with aiohttp.ClientSession(gateway.url, headers=headers, auto_decompress=False) as session:
        yield session


# ---------------------------------------------------------------- what goes out


async def test_a_request_goes_out_with_the_operators_key_and_without_the_callers(
    http: aiohttp.ClientSession, vendor: Vendor
) -> None:
    sent = {
        "x-api-key": CALLER, "api-key": CALLER, "x-goog-api-key": CALLER, "xi-api-key": CALLER, "cookie": "a=b",
        "proxy-authorization": "Basic x", "x-forwarded-for": "1.2.3.4", "forwarded": "for=1.2.3.4", "origin": "http://e",
        "referer": "http://e", "openai-organization": "someone-elses", "openai-project": "x", "te": "trailers",
        "x-portkey-custom-host": "http://evil", "x-gateway-provider": "acme", "accept": "application/x",
        "range": "bytes=0-1", "openai-beta": "assistants=v2", "idempotency-key": "k1", "x-custom": "1",
    }  # fmt: skip
    async with http.get("/proxy/acme/files?limit=2&key=abc&after=a%20b&KEY=x&b=%22", headers=sent) as response:
        assert response.status == 200
    headers = vendor.seen[0].headers
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert CALLER not in repr(list(headers.items()))
    kept = {"accept", "range", "openai-beta", "idempotency-key"}
    assert {name.lower() for name in headers} == kept | {"authorization", "host", "accept-encoding", "via"}
    assert vendor.seen[0].raw_path == "/v1/files?limit=2&after=a%20b&b=%22"


@pytest.mark.parametrize("size", [0, 1, 1_048_576, 1_048_577, 5_000_000])
async def test_a_body_of_any_type_goes_out_as_it_came(http: aiohttp.ClientSession, vendor: Vendor, size: int) -> None:
    body = (b"\x00\xff--x\r\n" * (size // 7 + 1))[:size]
    async with http.post(
        "/proxy/acme/files", data=io.BytesIO(body), headers={"content-type": "application/x-thing"}
    ) as response:
        assert response.status == 200, await response.text()
    assert vendor.bodies[0] == body
    assert vendor.seen[0].headers["content-type"] == "application/x-thing"
    assert vendor.seen[0].headers.get("content-length", "0") == str(size)


async def test_a_chunked_body_is_spooled_and_sent_with_its_length(http: aiohttp.ClientSession, vendor: Vendor) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 100_000

    async with http.post("/proxy/acme/files", data=chunks()) as response:
        assert response.status == 200
    assert vendor.bodies[0] == b"x" * 3_000_000


async def test_a_body_beyond_the_limit_is_413_and_reaches_nobody(tmp_path: Path, vendor: Vendor) -> None:
    providers, routes = files(vendor.url, server=", max_upload_bytes: 2000")
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        for size, status in ((2000, 200), (2001, 413)):
            async with http.post("/proxy/acme/files", data=b"x" * size, headers={"x-api-key": CALLER}) as response:
                assert response.status == status
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
async def test_every_method_passes_that_is_allowed(http: aiohttp.ClientSession, vendor: Vendor, method: str) -> None:
    path = {"DELETE": "files/abc", "HEAD": "files"}.get(method, "x")
    async with http.request(method, f"/proxy/acme/{path}") as response:
        assert response.status == 200
        assert await response.read() == (b"" if method == "HEAD" else b'{"ok": true}')
    assert (vendor.seen[0].method, vendor.seen[0].path) == (method, f"/v1/{path}")


# ---------------------------------------------------------------- what may pass


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "acme/chat/completions", 403),
        ("GET", "acme/files/a/b", 403),
        ("GET", "acme/files/", 403),
        ("GET", "acme/Files", 403),
        ("GET", "acme/%66iles", 403),
        ("GET", "acme/files/a%2fb", 400),
        ("GET", "acme/files/a%20b", 403),
        ("GET", "acme/files/..", 400),
        ("GET", "acme/files/../admin", 400),
        ("GET", "acme/files/%2e%2e", 400),
        ("GET", "acme/files/...", 403),
        ("GET", "acme/files/..;/x", 403),
        ("GET", "acme/files/a;b", 403),
        ("GET", "acme//files", 400),
        ("GET", "acme/files%00", 400),
        ("POST", "acme/files/abc", 403),
        ("OPTIONS", "acme/files", 405),
        ("GET", "other/files", 404),
        ("GET", "acmee/files", 404),
        ("GET", "evil.example/files", 404),
        ("GET", "http:/evil.example/files", 404),
        ("GET", "absent/files", 503),
    ],
)
async def test_only_what_is_listed_passes(
    http: aiohttp.ClientSession, gateway: Inside, vendor: Vendor, method: str, path: str, status: int
) -> None:
    from yarl import URL

    url = URL(f"{gateway.url}/proxy/{path}", encoded=True)
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}) as plain:
        async with plain.request(method, url) as response:
            assert response.status == status, await response.text()
            assert "message" in (await response.json())["error"]
    assert vendor.seen == []


async def test_without_a_key_nothing_is_read_and_nothing_passes(gateway: Inside, vendor: Vendor) -> None:
    async with aiohttp.ClientSession(gateway.url) as nobody:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {SECRET}"}):
            async with nobody.post("/proxy/acme/files", data=b"x" * 100, headers=headers) as response:
                assert response.status == 401
    assert vendor.seen == []


async def test_a_body_that_may_not_pass_is_not_read(gateway: Inside) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
    writer.write(
        f"POST /proxy/acme/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {CALLER}\r\n"
        "content-length: 1000000\r\nexpect: 100-continue\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()


# ---------------------------------------------------------------- what comes back


async def test_an_answer_comes_back_with_its_status_and_safe_headers_only(
    http: aiohttp.ClientSession, vendor: Vendor
) -> None:
    vendor.answer = {
        "status": 418,
        "body": b"\x00teapot",
        "headers": {
            "content-type": "application/x-tea", "etag": '"1"', "retry-after": "7", "content-disposition": "attachment",
            "set-cookie": "a=b", "access-control-allow-origin": "*", "access-control-allow-credentials": "true",
            "x-request-id": "vendor-1", "www-authenticate": "Bearer", "server": "secret/1",
            "openai-organization": "ours", "strict-transport-security": "x", "location": "http://elsewhere/",
        },
    }  # fmt: skip
    async with http.get("/proxy/acme/files", headers={"origin": "http://page"}) as response:
        assert response.status == 418
        assert await response.read() == b"\x00teapot"
        headers = response.headers
    assert (headers["content-type"], headers["etag"], headers["retry-after"]) == ("application/x-tea", '"1"', "7")
    assert headers["x-gateway-upstream-request-id"] == "vendor-1"
    assert headers["x-request-id"] != "vendor-1"
    assert headers["x-gateway-provider"] == "acme"
    assert headers["server"] == "ai-service-gateway"
    for name in ("set-cookie", "access-control-allow-origin", "www-authenticate", "openai-organization", "location"):
        assert name not in headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed_or_passed_on(http: aiohttp.ClientSession, vendor: Vendor, status: int) -> None:
    vendor.answer = {"status": status, "headers": {"location": vendor.url + "/elsewhere"}}
    async with http.get("/proxy/acme/files", allow_redirects=False) as response:
        assert response.status == status
        assert "location" not in response.headers
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_stays_one(http: aiohttp.ClientSession, vendor: Vendor, status: int) -> None:
    vendor.answer = {"status": status}
    for _ in range(2):  # the connection is good for another
        async with http.get("/proxy/acme/files") as response:
            assert (response.status, await response.read()) == (status, b"")


async def test_what_the_vendor_compressed_stays_as_it_is(http: aiohttp.ClientSession, vendor: Vendor) -> None:
    packed = gzip.compress(b"x" * 10_000)
    vendor.answer = {"body": packed, "headers": {"content-encoding": "gzip"}}
    async with http.get("/proxy/acme/files") as response:
        assert response.headers["content-encoding"] == "gzip"
        assert await response.read() == packed


async def test_an_answer_flows_as_it_comes(http: aiohttp.ClientSession, vendor: Vendor) -> None:
    vendor.stream_gap = asyncio.Event()
    async with http.get("/proxy/acme/files/abc/content") as response:
        assert await response.content.read(5) == b"first"
        vendor.stream_gap.set()
        assert await response.read() == b"second"


async def test_a_vendor_that_is_not_there_is_502(tmp_path: Path, vendor: Vendor) -> None:
    providers, routes = files("http://127.0.0.1:1")
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        async with http.get("/proxy/acme/files", headers={"x-api-key": CALLER}) as response:
            assert response.status == 502
            assert (await response.json())["error"]["code"] == "upstream_unreachable"


# ---------------------------------------------------------------- the chain holds


async def test_limits_and_costs_hold_for_what_passes(tmp_path: Path, vendor: Vendor) -> None:
    more = ", usd_per_request: 0.5, quota: {requests: [3/minute], budget: 1 USD/day}"
    providers, routes = files(vendor.url, more)
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        seen = []
        for _ in range(3):
            async with http.get("/proxy/acme/files", headers={"x-api-key": CALLER}) as response:
                seen.append(response.status)
        async with http.get("/metrics") as response:
            metrics = await response.text()
    assert seen == [200, 200, 402]
    assert len(vendor.seen) == 2
    assert 'gateway_cost_usd_total{target="acme/files"} 1.0' in metrics


async def test_the_official_client_lists_models_and_reads_the_vendors_own_errors(tmp_path: Path) -> None:
    import openai

    async with OpenAIServer() as vendor:
        providers, routes = files(vendor.base_url)
        providers = providers.replace(SECRET, API_KEY)
        routes = routes.replace(ALLOW, '["GET /models", "GET /models/*"]')
        async with (
            inside(tmp_path, providers, routes) as gateway,
            AsyncOpenAI(base_url=gateway.url + "/proxy/acme", api_key=CALLER, max_retries=0) as client,
        ):
            names = [model.id async for model in client.models.list()]
            assert "gpt-5.4-mini" in names
            with pytest.raises(openai.NotFoundError) as caught:
                await client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"


# ---------------------------------------------------------------- what the files may say


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("GET /files/*", "FETCH /files", "write METHOD /path"),
        ("GET /files/*", "GET files", "write METHOD /path"),
        ("GET /files/*", "GET /files/..", "write METHOD /path"),
        ("GET /files/*", "GET /files//x", "write METHOD /path"),
        ("GET /files/*", "GET /files/**", "write METHOD /path"),
        ("GET /files/*", "GET /fi%6ces", "write METHOD /path"),
        ("allow: {acme:", "allow: {acmee:", "unknown provider 'acmee' (did you mean 'acme'?)"),
        ("/proxy/{provider}/{path}", "/proxy/{path}", "ends in /{provider}/{path}"),
        ("/proxy/{provider}/{path}", "/proxy/{provider}/x", "ends in /{provider}/{path}"),
        ("dialect: proxy", "dialect: proxy, method: GET", "leave this out"),
        ("dialect: proxy", "dialect: proxy, quota: {budget: 1 USD/day}", "give usd_per_request"),
        ("dialect: proxy", "dialect: openai.chat", "'allow' goes with dialect 'proxy' only"),
    ],
)
async def test_a_fault_in_an_allow_list_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    from gateway.config.files import Files
    from gateway.config.load import read

    providers, routes = files("http://127.0.0.1:1/v1")
    assert old in routes
    (tmp_path / "providers.yaml").write_text(providers)
    (tmp_path / "routes.yaml").write_text(routes.replace(old, new, 1))
    reading = read(Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml"), {})
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    assert any(message in problem.message for problem in errors), errors
    assert all(problem.line == 6 for problem in errors)
