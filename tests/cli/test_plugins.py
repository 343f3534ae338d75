"""`gateway plugins`: what is begun by it passes its own test and serves, and what breaks the contract does not pass."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.cli.calling import call
from tests.harness import ROUTES, SANDBOX, inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    return tmp_path


@pytest.mark.parametrize(("kind", "checks"), [("chat", 13), ("speech", 9)])
def test_what_new_writes_passes_its_conformance_test(folder: Path, kind: str, checks: int) -> None:
    made = call("plugins", "new", "my_vendor", "--kind", kind, "--config", folder)
    assert made.status == 0, made.err
    assert made.lines[0] == str(folder / "plugins" / "my_vendor.py")
    done = call("plugins", "test", "my_vendor", "--config", folder)
    assert done.status == 0, done.out
    assert [line[:7] for line in done.lines] == ["ok     "] * checks
    found = call("plugins", "test", "my_vendor", "--config", folder, "--json").json
    assert (found["is_ok"], len(found["checks"])) == (True, checks)


async def test_a_plugin_that_new_wrote_serves_a_client(folder: Path) -> None:
    assert call("plugins", "new", "mine", "--kind", "chat", "--config", folder).status == 0

    async def chat(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer a-key-of-mine"
        body = await request.json()
        said = body["turns"][-1]["says"]
        if not body["stream"]:
            return web.json_response({"text": f"You said {said}", "used": {"in": 4, "out": 6}})
        events = f'data: {{"text": "You said "}}\n\ndata: {{"text": "{said}"}}\n\ndata: {{"end": true}}\n\n'
        return web.Response(text=events, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    row = f"  mine: {{plugin: mine, base_url: '{url}', credentials: {{api_key: a-key-of-mine}}, "
    row += "models: {m: {operation: chat}}}\n"
    try:
        async with inside(folder, SANDBOX + row, ROUTES) as gateway, aiohttp.ClientSession(gateway.url) as http:
            asked = {"model": "mine/m", "messages": [{"role": "user", "content": "hello"}]}
            async with http.post("/v1/chat/completions", json=asked) as answer:
                found = await answer.json()
            assert found["choices"][0]["message"]["content"] == "You said hello"
            assert found["usage"]["completion_tokens"] == 6
            async with http.post("/v1/chat/completions", json=asked | {"stream": True}) as answer:
                text = await answer.text()
            assert "You said " in text
            assert text.endswith("data: [DONE]\n\n")
    finally:
        await runner.cleanup()


def test_a_middleware_that_new_wrote_is_sound_at_a_route(folder: Path) -> None:
    made = call("plugins", "new", "manners", "--kind", "middleware", "--config", folder)
    assert made.lines[-1] == "next: name it at a route, middlewares: [{name: manners, after: auth}]"
    link = made.lines[-1].removeprefix("next: name it at a route, ")
    (folder / "routes.yaml").write_text(ROUTES.replace("model: speak}", f"model: speak, {link}}}"))
    assert call("check", folder).status == 0
    assert call("plugins", "show", "manners", "--config", folder, "--json").json["kind"] == "middleware"
    refused = call("plugins", "test", "manners", "--config", folder)
    assert (refused.status, "is a middleware" in refused.err) == (1, True)


FAULTS = [
    # (what is written, what is written in its place, what the test says)
    (
        'raise UpstreamCut("the answer ended before its end mark")',
        'yield Done("stop")',
        "an answer that ends early: ended",
    ),
    ("async for event in sse.read(response.chunks):", "async for event in _lines(response):", "bytes cut anywhere"),
    (
        'return UpstreamRateLimited("the vendor is busy", retry_after_s=retry_after_s(headers))',
        'return ValueError("busy")',
        "the contract: parse_error(429",
    ),
    (
        'return UpstreamUnavailable(f"the vendor answered {status}")',
        "return json.loads(body)",
        "the contract: parse_error(500",
    ),
    ('"who": message.role', '"whom": message.role', "request.body"),
    ('"stream": call.stream,', '"stream": call.stream, "id": next(_IDS),', "no clock and no state"),
    (
        'yield Done("stop")\n            return\n',
        'yield Done("length")\n            return\n',
        "plain: the answer: events",
    ),
    ('return frozenset({"chat"})', 'return frozenset({"chats"})', "the contract: operations() names chats"),
    ('"https://api.mine.example/v1"', '"api.mine.example"', "default_base_url"),
    ('"type": "object",', '"type": "objekt",', "options_schema is no JSON Schema"),
]
HELP = """
import itertools
_IDS = itertools.count()
async def _lines(response):
    async for chunk in response.chunks:
        for part in chunk.split(b"\\n\\n"):
            if part.startswith(b"data: "):
                yield sse.Event(part[6:])
"""


@pytest.mark.parametrize(("old", "new", "said"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_a_plugin_that_breaks_the_contract_fails(folder: Path, old: str, new: str, said: str) -> None:
    assert call("plugins", "new", "mine", "--config", folder).status == 0
    path = folder / "plugins" / "mine.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new) + HELP)
    done = call("plugins", "test", "mine", "--config", folder)
    assert done.status == 1, done.out
    assert any(line.startswith("failed ") and said in line for line in done.lines), done.out


def test_a_plugin_that_raises_while_a_case_is_played_fails_and_the_rest_is_played(folder: Path) -> None:
    assert call("plugins", "new", "mine", "--config", folder).status == 0
    path = folder / "plugins" / "mine.py"
    path.write_text(path.read_text().replace("        chat = call.body\n", "        chat = call.body[0]\n"))
    done = call("plugins", "test", "mine", "--config", folder)
    assert done.status == 1
    assert "failed plain: the request: raises TypeError" in done.out
    assert "ok     plain: bytes cut anywhere" in done.out


def test_a_case_that_is_none_is_named(folder: Path) -> None:
    assert call("plugins", "new", "mine", "--config", folder).status == 0
    for name, text in (
        ("a", "call: {}"),
        ("b", "x: ["),
        ("c", "call: {body: !Nope x}"),
        ("d", "call: {body: 1}\nx: 1"),
    ):
        (folder / "plugins" / "mine.cases" / f"{name}.yaml").write_text(text)
    done = call("plugins", "test", "mine", "--config", folder)
    assert done.status == 1
    assert sum(line.startswith("failed ") for line in done.lines) == 4
    assert "Traceback" not in done.out + done.err


def test_a_plugin_without_cases_is_told_what_is_missing(folder: Path) -> None:
    done = call("plugins", "test", "sandbox", "--config", folder)
    assert done.status == 0
    assert "there are no cases" in done.out


def test_list_shows_bundled_and_own_ones_and_those_that_do_not_load(folder: Path) -> None:
    assert call("plugins", "new", "mine", "--config", folder).status == 0
    assert call("plugins", "new", "sandbox", "--kind", "speech", "--config", folder).status == 0  # stands before ours
    done = call("plugins", "list", "--config", folder, "--json")
    assert done.status == 0
    rows = {row["name"]: row for row in done.json["plugins"]}
    assert rows["mine"]["operations"] == ["chat"]
    assert rows["sandbox"]["file"] == str(folder / "plugins" / "sandbox.py")
    assert rows["local_tts"]["operations"] == ["speech"]
    (folder / "plugins" / "mine.py").write_text("def x(:\n")
    done = call("plugins", "list", "--config", folder)
    assert done.status == 1
    assert any(line.startswith("mine ") and "mine.py:1: SyntaxError" in line for line in done.lines)
    assert "mine.py:1: SyntaxError" in call("plugins", "test", "mine", "--config", folder).err


def test_show_says_what_one_needs_and_takes(folder: Path) -> None:
    done = call("plugins", "show", "local_stt", "--config", folder)
    assert done.status == 0
    assert "reached: in subprocesses" in done.lines
    assert any(
        line.startswith("options.max_duration_s: number (default 600): Longest recording") for line in done.lines
    )
    unknown = call("plugins", "show", "local_st", "--config", folder)
    assert (unknown.status, "did you mean 'local_" in unknown.err) == (64, True)


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "../x", "class", "a" * 41, ""])
def test_a_name_that_is_none_writes_nothing(folder: Path, name: str) -> None:
    done = call("plugins", "new", name, "--config", folder)
    assert done.status == 64
    assert not (folder / "plugins").exists()


def test_what_is_there_is_not_written_over(folder: Path) -> None:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "mine.py").write_text("mine")
    done = call("plugins", "new", "mine", "--config", folder)
    assert (done.status, "is there already" in done.err) == (1, True)
    assert [path.name for path in (folder / "plugins").iterdir()] == ["mine.py"]
