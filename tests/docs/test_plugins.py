"""The plugin of docs/plugins.md and the middleware of docs/middlewares.md serve a client, beside the default files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest
from aiohttp import web

from gateway.config.routes import LINKS
from tests.docs.page import Snippet, snippets
from tests.harness import ROOT, process

PLUGINS, MIDDLEWARES = (snippets(ROOT / "docs" / f"{name}.md") for name in ("plugins", "middlewares"))
AUDIO = bytes(range(200)) * 100


def block(found: list[Snippet], language: str) -> Snippet:
    """Return the first of a language."""
    return next(snippet for snippet in found if snippet.language == language)


@asynccontextmanager
async def vendor(said: list[dict[str, str]]) -> AsyncIterator[str]:
    """The parrot's own API, which takes nothing but what it knows."""

    async def say(request: web.Request) -> web.Response:
        if request.headers.get("x-parrot-key") != "a-parrots-own-key":
            return web.Response(status=401)
        body = await request.json()
        assert set(body) == {"words", "speaker", "format", "mood"}
        said.append(body)
        if "busy" in body["words"]:
            return web.Response(status=429, headers={"retry-after": "3"})
        return web.Response(body=AUDIO, content_type="audio/pcm")

    app = web.Application()
    app.router.add_post("/v1/say", say)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def test_the_plugin_and_the_middleware_of_the_page_serve(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    for snippet in (block(PLUGINS, "python"), block(MIDDLEWARES, "python")):
        assert snippet.file is not None
        (tmp_path / snippet.file).write_text(snippet.text)
    row = textwrap.indent(block(PLUGINS, "yaml").text, "  ")
    providers = (ROOT / "providers.yaml").read_text().replace("providers:\n", "providers:\n" + row, 1)
    routes = (ROOT / "routes.yaml").read_text()
    old = "  - path: /v1/audio/speech\n    dialect: openai.speech\n    model: speak\n"
    assert old in routes
    routes = routes.replace(old, block(MIDDLEWARES, "yaml").text.removeprefix("routes:\n"))
    said: list[dict[str, str]] = []
    async with vendor(said) as url:
        environ = {"GATEWAY_LISTEN": "127.0.0.1:0", "PARROT_URL": url, "PARROT_KEY": "a-parrots-own-key"}
        async with (
            process(tmp_path, providers, routes, environ) as gateway,
            openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client,
        ):
            raw = await client.audio.speech.with_raw_response.create(
                model="parrot/talk", voice="nova", input="Hello, sailor.", response_format="pcm"
            )
            assert raw.content == AUDIO
            assert raw.headers["x-gateway-provider"] == "parrot"
            assert raw.headers["x-manners"] == "minded"
            assert said == [{"words": "Hello, sailor.", "speaker": "Polly", "format": "pcm", "mood": "cheerful"}]
            line = await gateway.wait_for_log(lambda line: line.get("request_id") == raw.headers["x-request-id"])
            assert line["cost_usd"] == pytest.approx(14 * 10 / 1_000_000)

            with pytest.raises(openai.BadRequestError, match="'cracker' is not said here"):
                await client.audio.speech.create(model="parrot/talk", voice="nova", input="Polly wants a CRACKER.")
            with pytest.raises(openai.BadRequestError, match="has no format opus"):
                await client.audio.speech.create(
                    model="parrot/talk", voice="nova", input="Hello.", response_format="opus"
                )
            with pytest.raises(openai.RateLimitError) as caught:
                await client.audio.speech.create(
                    model="parrot/talk", voice="onyx", input="Are you busy?", response_format="wav"
                )
            assert int(caught.value.response.headers["retry-after"]) >= 3


BOOM = """
def MIDDLEWARE(options):
    async def boom(call, handler):
        raise KeyError("secret-of-the-middleware")
    return boom
"""


async def test_a_middleware_that_raises_is_a_500_in_the_clients_format_and_the_next_call_is_served(
    tmp_path: Path,
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "boom.py").write_text(BOOM)
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    routes = routes.replace("model: speak\n", "model: speak\n    middlewares: [{name: boom, after: auth}]\n", 1)
    async with (
        process(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as gateway,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(f"{gateway.url}/v1/audio/speech", json={"input": "Hello.", "voice": "nova"}) as response:
            error = (await response.json())["error"]
        assert (response.status, error["code"]) == (500, "internal_error")
        assert "secret" not in str(error)
        trace = await gateway.wait_for_log(lambda line: "failed inside the gateway" in str(line["message"]))
        assert error["request_id"] in str(trace["message"])
        chat = {"messages": [{"role": "user", "content": "Hello."}]}
        async with http.post(f"{gateway.url}/v1/chat/completions", json=chat) as response:
            assert response.status == 200


def test_the_page_names_every_link() -> None:
    page = (ROOT / "docs" / "middlewares.md").read_text()
    [named] = re.findall(r"`after` names the link behind which it stands, of (.*?):", page, re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", named)) == LINKS
