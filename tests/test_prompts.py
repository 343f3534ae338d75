"""Prompts as endpoints: over HTTP, with a vendor that says what a test wants, and the sandbox for the shipped one."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml
from aiohttp import web

from gateway.config.files import Files
from gateway.config.load import read
from tests.harness import ROOT, Inside, inside, process

PROMPT = """
version: 1
system: "You answer in {{ language }}."
template: |
  Say something about {{ topic }}.
  {% if text %}
  <text>{{ text }}</text>
  {% endif %}
parameters: {temperature: 0.5, max_tokens: 500}
input:
  type: object
  required: [topic]
  additionalProperties: false
  properties:
    topic: {type: string, minLength: 1, maxLength: 200}
    language: {type: string, default: English}
    count: {type: integer, minimum: 1, maximum: 3}
    wants: {type: array, items: {type: string}, maxItems: 2}
    text: {type: string}
output:
  type: object
  required: [words]
  additionalProperties: false
  properties:
    words: {type: array, minItems: 2, items: {type: string}}
fallback: {words: [nothing, better]}
long_input:
  field: text
  max_chars: 1000
  max_pieces: 5
  summary_tokens: 200
  summarise: "Part {{ part }} of {{ parts }}, at most {{ max_chars }}, on {{ topic }}: <piece>{{ text }}</piece>"
"""
GOOD = json.dumps({"words": ["a", "b"]})
BAD = json.dumps({"words": ["a"]})

Say = Callable[[str], str]


@dataclass
class Vendor:
    """Speaks OpenAI's streamed chat; `says` gives the texts in turn, then the last one again."""

    says: list[str] = field(default_factory=lambda: [GOOD])
    asked: list[dict[str, Any]] = field(default_factory=list)
    reply: Say | None = None
    at_once: int = 0
    most_at_once: int = 0
    fails_at: int | None = None
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.content.read())
        self.asked.append(body)
        number = len(self.asked)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0.005)
        self.at_once -= 1
        if self.fails_at == number:
            return web.json_response({"error": {"message": "no"}}, status=500)
        text = self.reply(self.prompt(body)) if self.reply else self.says[min(number, len(self.says)) - 1]
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            await _send(response, chunk | {"choices": [{"index": 0, "delta": {"content": piece}}]})
        await _send(response, chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        await _send(response, chunk | {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    def prompt(body: dict[str, Any]) -> str:
        return str(body["messages"][-1]["content"])


async def _send(response: web.StreamResponse, value: Any) -> None:
    await response.write(b"data: " + json.dumps(value).encode() + b"\n\n")


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    it = Vendor()
    runner = web.ServerRunner(web.Server(it.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield it
    await runner.cleanup()


def files(url: str, more: str = "") -> tuple[str, str]:
    price = "price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}"
    providers = f"""
version: 1
providers:
  acme:
    plugin: openai
    base_url: "{url}"
    credentials: {{api_key: sk-0123456789abcdef0123}}
    models: {{small: {{operation: chat, {price}}}, large: {{operation: chat, {price}}}}}
  sandbox: {{plugin: sandbox, models: {{chat: {{operation: chat}}}}}}
"""
    routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{anonymous: loopback}}
routes:
  - {{path: /say, dialect: prompt, prompt: prompts/say.yaml, model: acme/small{more}}}
"""
    return providers, routes


@dataclass
class Setup:
    gateway: Inside
    http: aiohttp.ClientSession
    vendor: Vendor

    async def say(self, **body: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post("/say", json=body) as response:
            return response.status, await response.json()


Start = Callable[..., Any]


@pytest.fixture
async def setup(tmp_path: Path, vendor: Vendor) -> AsyncIterator[Setup]:
    write(tmp_path)
    async with inside(tmp_path, *files(vendor.url)) as gateway, aiohttp.ClientSession(gateway.url) as http:
        yield Setup(gateway, http, vendor)


def write(folder: Path, old: str = "", new: str = "") -> None:
    assert old in PROMPT
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "say.yaml").write_text(PROMPT.replace(old, new, 1) if old else PROMPT)


# ---------------------------------------------------------------- the plain way


async def test_a_template_is_filled_asked_and_answered_in_its_shape(setup: Setup) -> None:
    status, answer = await setup.say(topic="tea", language="French")

    assert status == 200
    assert answer["data"] == {"words": ["a", "b"]}
    assert (answer["success"], answer["provider"], answer["model"]) == (True, "acme", "small")
    assert answer["usage"]["total_tokens"] == 15
    assert answer["cost_usd"] == pytest.approx(20 / 1e6)
    assert (answer["metadata"]["repaired"], answer["metadata"]["fallback"]) == (False, False)
    asked = setup.vendor.asked[0]
    assert asked["messages"] == [
        {"role": "system", "content": "You answer in French."},
        {"role": "user", "content": "Say something about tea."},
    ]
    assert (asked["temperature"], asked["max_completion_tokens"]) == (0.5, 500)
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["words"]
    assert asked["stream"] is True


async def test_a_default_stands_where_nothing_was_sent(setup: Setup) -> None:
    await setup.say(topic="tea", language=None, text=None)
    assert setup.vendor.asked[0]["messages"][0]["content"] == "You answer in English."


async def test_the_client_may_name_a_model_and_a_provider(setup: Setup) -> None:
    _, answer = await setup.say(topic="tea", model="acme/large")
    assert answer["model"] == "large"
    _, answer = await setup.say(topic="tea", provider="sandbox")
    assert (answer["provider"], answer["model"]) == ("sandbox", "chat")
    status, answer = await setup.say(topic="tea", model="acme/lagre")
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "topic"), ({"topic": None}, "topic"), ({"topic": 1}, "topic"), ({"topic": ""}, "topic"),
        ({"topic": "x" * 201}, "topic"), ({"topic": "x", "language": 1}, "language"),
        ({"topic": "x", "count": "1"}, "count"), ({"topic": "x", "count": 4}, "count"),
        ({"topic": "x", "count": True}, "count"), ({"topic": "x", "wants": "a"}, "wants"),
        ({"topic": "x", "wants": ["a", 1]}, "wants[1]"), ({"topic": "x", "text": {}}, "text"),
        ({"topic": "x", "tpoic": 1}, "tpoic"), ({"topic": "x", "model": 1}, "model"),
        ({"topic": "x", "provider": 1}, "provider"), ({"topic": "x", "provider": "acmee"}, "provider"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named_and_nobody_is_asked(setup: Setup, body: dict[str, Any], param: str) -> None:
    status, answer = await setup.say(**body)
    assert status == 400
    assert answer["error"]["param"] == param
    assert param in answer["error"]["message"]
    assert setup.vendor.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "{{7*7}}", "{{ 7*7 }}", "{% for i in range(9) %}x{% endfor %}", "${OPENAI_API_KEY}", "${HOME:-x}", "$PATH",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ self }}", "{0.__class__}", "%(topic)s", "{# x #}", "{{",
        "</text>{{ topic }}", '"; import os', "\\u007b\\u007b7*7}}",
    ],
)  # fmt: skip
async def test_what_a_client_sends_is_data_and_stays_as_it_is(setup: Setup, text: str) -> None:
    await setup.say(topic=text, text=text, language=text)

    system, user = (message["content"] for message in setup.vendor.asked[0]["messages"])
    assert system == f"You answer in {text}."
    assert user == f"Say something about {text}.\n<text>{text}</text>"
    assert os.environ["PATH"] not in user


# ---------------------------------------------------------------- a wrong answer


@pytest.mark.parametrize("first", [BAD, "no json at all", "", "[]", '{"words": ["a", "b"]', '{"words": ["a", 1]}'])
async def test_a_wrong_answer_is_mended_once_by_asking_again(setup: Setup, first: str) -> None:
    setup.vendor.says = [first, GOOD]
    status, answer = await setup.say(topic="tea")

    assert status == 200
    assert answer["data"] == {"words": ["a", "b"]}
    assert (answer["metadata"]["repaired"], answer["metadata"]["fallback"]) == (True, False)
    assert answer["metadata"]["faults"]
    assert answer["usage"]["total_tokens"] == 30  # one receipt for both
    assert answer["cost_usd"] == pytest.approx(40 / 1e6)
    again = setup.vendor.asked[1]["messages"]
    assert again[:2] == setup.vendor.asked[0]["messages"]
    assert again[2]["role"] == "assistant"
    assert answer["metadata"]["faults"][0] in again[3]["content"]


async def test_an_answer_that_stays_wrong_becomes_the_fallback(setup: Setup) -> None:
    setup.vendor.says = [BAD, BAD, GOOD]
    status, answer = await setup.say(topic="tea")
    assert status == 200
    assert answer["data"] == {"words": ["nothing", "better"]}
    assert answer["metadata"]["fallback"] is True
    assert len(setup.vendor.asked) == 2


async def test_a_repair_that_fails_becomes_the_fallback_too(setup: Setup) -> None:
    setup.vendor.says = [BAD]
    setup.vendor.fails_at = 2
    status, answer = await setup.say(topic="tea")
    assert (status, answer["metadata"]["fallback"]) == (200, True)
    assert len(setup.vendor.asked) == 2


async def test_json_in_a_markdown_block_is_taken(setup: Setup) -> None:
    setup.vendor.says = [f"```json\n{GOOD}\n```"]
    _, answer = await setup.say(topic="tea")
    assert answer["data"] == {"words": ["a", "b"]}
    assert answer["metadata"]["repaired"] is False


@pytest.mark.parametrize(
    ("old", "new", "status", "asked"),
    [
        ("fallback: {words: [nothing, better]}\n", "", 502, 2),
        ("fallback: {words: [nothing, better]}\n", "repair: never\n", 502, 1),
        ("fallback:", "repair: never\nfallback:", 200, 1),
    ],
)
async def test_repair_and_fallback_are_as_declared(
    tmp_path: Path, vendor: Vendor, old: str, new: str, status: int, asked: int
) -> None:
    write(tmp_path, old, new)
    vendor.says = [BAD]
    async with inside(tmp_path, *files(vendor.url)) as gateway, aiohttp.ClientSession(gateway.url) as http:
        got, answer = await Setup(gateway, http, vendor).say(topic="tea")
    assert (got, len(vendor.asked)) == (status, asked)
    assert answer["success"] is (status == 200)


async def test_a_fallback_is_not_kept_and_an_answer_is(tmp_path: Path, vendor: Vendor) -> None:
    write(tmp_path)
    vendor.says = [BAD, BAD, GOOD]
    providers, routes = files(vendor.url, ", cache: {ttl_s: 60}")
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        setup = Setup(gateway, http, vendor)
        answers = [(await setup.say(topic="tea"))[1] for _ in range(3)]
    assert [answer["metadata"]["fallback"] for answer in answers] == [True, False, False]
    assert [answer["metadata"]["cache"] for answer in answers] == ["miss", "miss", "hit"]
    assert answers[2]["cost_usd"] == 0
    assert answers[2]["data"] == answers[1]["data"]


async def test_a_vendors_failure_is_an_error_and_no_fallback(setup: Setup) -> None:
    setup.vendor.fails_at = 1
    status, answer = await setup.say(topic="tea")
    assert (status, answer["error"]["code"]) == (503, "upstream_unavailable")


# ---------------------------------------------------------------- a long input


def condense(prompt: str) -> str:
    """What a model does that keeps to its bounds: a few words for a piece, good data for the prompt."""
    return f"gist of {prompt[:12]}" if "<piece>" in prompt else GOOD


@pytest.mark.parametrize(("size", "pieces"), [(0, 0), (1, 0), (999, 0), (1000, 0), (1001, 2), (2001, 3), (5000, 5)])
async def test_an_input_beyond_the_limit_is_condensed_in_pieces(setup: Setup, size: int, pieces: int) -> None:
    setup.vendor.reply = condense
    text = ("word. " * 1000)[:size]
    status, answer = await setup.say(topic="tea", text=text)

    assert status == 200, answer
    assert answer["metadata"].get("pieces", 0) == pieces
    assert len(setup.vendor.asked) == pieces + 1
    prompts = [Vendor.prompt(body) for body in setup.vendor.asked]
    if not pieces:
        assert f"<text>{text}</text>" in prompts[-1] or not text
        return
    shown = sorted(prompts[:-1])
    assert [prompt[:11] for prompt in shown] == [f"Part {number + 1} of {pieces}" for number in range(pieces)]
    assert "".join(prompt.partition("<piece>")[2].removesuffix("</piece>") for prompt in shown) == text
    assert "gist of Part 1" in prompts[-1]
    assert prompts[-1].index("gist of Part 1") < prompts[-1].index(f"gist of Part {pieces}")
    assert answer["usage"]["total_tokens"] == 15 * (pieces + 1)
    assert setup.vendor.most_at_once <= 4


async def test_an_input_beyond_all_pieces_is_413_and_nobody_is_asked(setup: Setup) -> None:
    status, answer = await setup.say(topic="tea", text="x" * 5001)
    assert (status, answer["error"]["param"]) == (413, "text")
    assert setup.vendor.asked == []


async def test_a_model_that_condenses_nothing_is_cut_to_its_share(setup: Setup) -> None:
    setup.vendor.reply = lambda prompt: prompt * 3 if "<piece>" in prompt else GOOD
    status, _ = await setup.say(topic="tea", text="word " * 900)
    assert status == 200
    filled = Vendor.prompt(setup.vendor.asked[-1])
    assert len(filled) < 1000 + 100


async def test_a_model_that_condenses_to_nothing_leaves_the_pieces_begin(setup: Setup) -> None:
    setup.vendor.reply = lambda prompt: " " if "<piece>" in prompt else GOOD
    await setup.say(topic="tea", text="begin " + "word " * 400)
    assert "begin word" in Vendor.prompt(setup.vendor.asked[-1])


async def test_a_piece_that_fails_ends_the_call_with_the_vendors_error(setup: Setup) -> None:
    setup.vendor.reply = condense
    setup.vendor.fails_at = 2
    status, answer = await setup.say(topic="tea", text="x" * 4000)
    assert (status, answer["error"]["code"]) == (503, "upstream_unavailable")
    assert len(setup.vendor.asked) <= 4


async def test_what_a_call_may_cost_is_bounded(tmp_path: Path, vendor: Vendor) -> None:
    write(tmp_path, "fallback:", "max_cost_usd: 0.00004\nfallback:")  # two chats at 20 millionths each
    vendor.reply = condense
    async with inside(tmp_path, *files(vendor.url)) as gateway, aiohttp.ClientSession(gateway.url) as http:
        setup = Setup(gateway, http, vendor)
        assert (await setup.say(topic="tea"))[0] == 200
        status, answer = await setup.say(topic="tea", text="x" * 5000)
    assert (status, answer["error"]["code"]) == (402, "budget_exceeded")
    assert len(vendor.asked) < 1 + 6


async def test_a_budget_holds_for_all_chats_of_a_call(tmp_path: Path, vendor: Vendor) -> None:
    write(tmp_path)
    vendor.reply = condense
    providers, routes = files(vendor.url, ", quota: {budget: 0.002 USD/day}")
    providers = providers.replace("models: {chat: {operation: chat}}", "enabled: false, models: {}")
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        setup = Setup(gateway, http, vendor)
        assert (await setup.say(topic="tea"))[0] == 402  # twice 500 tokens of output are reserved
    assert vendor.asked == []


# ---------------------------------------------------------------- the files


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("{{ topic }}", "{{ topic | }}", 5, 3, "the template cannot be read"),
        ("{{ text }}", "{{ txet }}", 7, 3, "reads 'txet', which 'input' does not declare (did you mean 'text'?)"),
        ("{{ language }}", "{{ lang }}", 3, 9, "reads 'lang'"),
        ("maxLength: 200", "maxLength: -1", 15, 52, "not a JSON Schema"),
        ("items: {type: string}, maxItems", "items: {type: strng}, maxItems", 18, 40, "not a JSON Schema"),
        (
            "fallback: {words: [nothing, better]}",
            "fallback: {words: [nothing]}",
            26,
            19,
            "'words' needs at least 2 items",
        ),
        ("temperature: 0.5", "temperature: 5", 9, 27, "temperature has to be at most 2"),
        ("parameters:", "paramters:", 9, 1, "did you mean 'parameters'?"),
        ("field: text", "field: txt", 28, 10, "did you mean 'text'?"),
        ("{{ parts }}", "{{ prats }}", 32, 14, "reads 'prats'"),
        ("version: 1\n", "version: 2\n", 2, 10, "can only be 1"),
        ("template: |", "template: &x |", 4, 11, "anchor"),
        ("topic: {type: string", "topic: {$ref: 'http://x/y', type: string", 15, 19, "nothing is fetched"),
    ],
)
def test_a_fault_in_a_prompt_is_told_with_line_and_column(
    tmp_path: Path, old: str, new: str, line: int, column: int, message: str
) -> None:
    write(tmp_path, old, new)
    providers, routes = files("http://127.0.0.1:1/v1")
    (tmp_path / "providers.yaml").write_text(providers)
    (tmp_path / "routes.yaml").write_text(routes)
    reading = read(Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml"), {})
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    found = [problem for problem in errors if message in problem.message]
    if new == "template: &x |":
        assert errors == []  # an anchor that nobody uses does no harm
        return
    assert found, errors
    assert found[0].file.endswith("prompts/say.yaml")
    assert (found[0].line, found[0].column) == (line, column)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prompts/say.yaml", "prompts/sya.yaml", "there is no file"),
        ("prompts/say.yaml", "/etc/passwd", "below this file's folder"),
        ("prompts/say.yaml", "../prompts/say.yaml", "below this file's folder"),
        (", prompt: prompts/say.yaml", "", "needs 'prompt'"),
        ("dialect: prompt", "dialect: openai.chat", "'prompt' goes with dialect 'prompt' only"),
        ("acme/small", "acme/smoll", "is not in models"),
    ],
)
def test_a_fault_of_the_route_is_told_there(tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path)
    providers, routes = files("http://127.0.0.1:1/v1")
    assert old in routes
    (tmp_path / "providers.yaml").write_text(providers)
    (tmp_path / "routes.yaml").write_text(routes.replace(old, new, 1))
    reading = read(Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml"), {})
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    assert any(message in problem.message for problem in errors), errors
    assert all(problem.file.endswith("routes.yaml") and problem.line == 6 for problem in errors)


async def test_sighup_applies_a_changed_prompt_and_refuses_a_broken_one(tmp_path: Path) -> None:
    providers, routes = files("http://127.0.0.1:1/v1")
    routes = routes.replace("acme/small", "sandbox/chat")
    write(tmp_path)
    async with process(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:

        async def words() -> list[str]:
            async with http.post("/say", json={"topic": "tea"}) as response:
                return list((await response.json())["data"])

        assert await words() == ["words"]
        write(tmp_path, "{{ topic }}", "{{ topic")
        assert "the template cannot be read" in (await gateway.reload())[0]
        assert await words() == ["words"]
        text = PROMPT.replace("words", "terms")
        (tmp_path / "prompts" / "say.yaml").write_text(text)
        assert await gateway.reload() == []
        assert await words() == ["terms"]


# ---------------------------------------------------------------- the one that is shipped

SCRIPT = yaml.safe_load((ROOT / "prompts" / "generate-script.yaml").read_text())


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The default files: the sandbox stands in for everybody."""
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with inside(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as gateway:
        async with aiohttp.ClientSession(gateway.url) as http:
            yield http


@pytest.mark.parametrize(
    "body",
    [
        {"topic": "ordering coffee"},
        {"document_content": "x"},
        {"document_content": "One. " * 12_000},  # at the limit of what is taken as it stands
        {"document_content": "One. " * 12_000 + "x"},
        {"document_content": "A sentence of a report.\n\n" * 42_000},  # 1 MB
        {
            "document_content": "A report.",
            "topic": "reports",
            "difficulty_level": "beginner",
            "target_duration_minutes": 2.5,
            "language": "French",
        },
    ],
    ids=["topic", "1", "limit", "beyond", "1MB", "all"],
)
async def test_a_script_comes_from_a_topic_or_a_document_of_any_length(
    shipped: aiohttp.ClientSession, body: dict[str, Any]
) -> None:
    async with shipped.post("/llm/generate-script", data=io.BytesIO(json.dumps(body).encode())) as response:
        answer = await response.json()
        assert response.status == 200, answer
    jsonschema.Draft202012Validator(SCRIPT["output"]).validate(answer["data"])
    assert 10 <= len(answer["data"]["turns"]) <= 15
    assert answer["metadata"]["fallback"] is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None), ({"topic": ""}, None), ({"topic": "  "}, None), ({"document_content": ""}, None),
        ({"document_content": None, "topic": None}, None), ({"topic": 1}, "topic"),
        ({"document_content": ["x"]}, "document_content"), ({"topic": "x", "difficulty_level": 3}, "difficulty_level"),
        ({"topic": "x", "target_duration_minutes": "5"}, "target_duration_minutes"),
        ({"topic": "x", "target_duration_minutes": 0}, "target_duration_minutes"),
        ({"topic": "x", "language": False}, "language"), ({"topic": "x", "levle": "A2"}, "levle"),
    ],
)  # fmt: skip
async def test_a_wrong_field_of_the_script_is_named(
    shipped: aiohttp.ClientSession, body: dict[str, Any], param: str | None
) -> None:
    async with shipped.post("/llm/generate-script", data=io.BytesIO(json.dumps(body).encode())) as response:
        answer = await response.json()
    assert response.status == 400
    assert answer["error"]["param"] == param
    if param is None:
        assert "'document_content' or 'topic'" in answer["error"]["message"]


async def test_a_document_that_is_empty_leaves_the_topic(shipped: aiohttp.ClientSession) -> None:
    async with shipped.post("/llm/generate-script", json={"topic": "tea", "document_content": ""}) as response:
        assert response.status == 200


async def test_a_document_beyond_all_pieces_is_413(shipped: aiohttp.ClientSession) -> None:
    body = io.BytesIO(json.dumps({"document_content": "x" * 6_000_001}).encode())
    async with shipped.post("/llm/generate-script", data=body) as response:
        assert response.status == 413
        assert (await response.json())["error"]["param"] == "document_content"
