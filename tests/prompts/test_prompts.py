"""Prompts as endpoints: what goes in, what a model is asked, and what comes of a wrong answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness import inside
from tests.prompts.setting import BAD, GOOD, Setup, Vendor, files, write

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
