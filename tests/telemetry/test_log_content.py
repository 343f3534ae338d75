"""What is said is in no log, but for a route that has it there; and then without what may be a secret."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import orjson
import pytest

from gateway.config.load import load
from gateway.config.model import LogContent
from gateway.errors import ConfigError
from gateway.telemetry.redaction import redacted
from tests.harness import ROUTES, SANDBOX, Process, process

ASKED = {"role": "user", "content": "I am jane@mail.example, CUST-4711; say canary"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOLD = ROUTES.replace(
    "{path: /v1/chat/completions, dialect: openai.chat}",
    "{path: /v1/chat/completions, dialect: openai.chat, cache: {ttl_s: 60}, log_content: {redact: ['CUST-\\d+']}}",
).replace(
    "dialect: openai.speech, model: speak", "dialect: openai.speech, model: speak, log_content: {max_chars: 4}"
)  # fmt: skip


async def line_of(gateway: Process, request_id: str) -> dict[str, object]:
    return await gateway.wait_for_log(lambda line: line.get("request_id") == request_id)


async def test_a_route_that_says_so_has_its_texts_logged_redacted(tmp_path: Path) -> None:
    async with process(tmp_path, SANDBOX, TOLD) as gateway, aiohttp.ClientSession() as client:
        for stream, name in ((False, "chat-whole-1"), (True, "chat-stream-1"), (False, "chat-cached-1")):
            body = {"model": "chat", "messages": [ASKED], "stream": stream}
            headers = {"x-request-id": name, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            async with client.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as answer:
                text = await answer.text()
                assert answer.status == 200
            line = await line_of(gateway, name)
            assert line["input"] == "I am [email], [redacted]; say canary"
            assert line["output"]
            assert "jane@" not in str(line)
            assert "CUST-4711" not in str(line)
            assert line["trace_id"] == TRACE
            if not stream:
                said = orjson.loads(text)["choices"][0]["message"]["content"]
                assert line["output"] == redacted(said, LogContent(redact=(re.compile(r"CUST-\d+"),)))
        assert (await line_of(gateway, "chat-cached-1"))["cache"] == "hit"
        speech = {"model": "speak", "input": "Good morning.", "voice": "alloy", "response_format": "wav"}
        async with client.post(
            f"{gateway.url}/v1/audio/speech", json=speech, headers={"x-request-id": "speech-1"}
        ) as answer:
            await answer.read()
        line = await line_of(gateway, "speech-1")
        assert (line["input"], line["output"]) == ("Good…", "")


async def test_any_other_route_has_nothing_of_it(tmp_path: Path) -> None:
    """Pain 40: a log is no place for what was said."""
    async with process(tmp_path) as gateway, aiohttp.ClientSession() as client:
        body = {"model": "chat", "messages": [ASKED]}
        headers = {"x-request-id": "untold-01", "x-secret": "canary-header", "authorization": "Bearer canary-key-1234"}
        async with client.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as answer:
            await answer.read()
        line = await line_of(gateway, "untold-01")
        assert line["status"] in (200, 401)
        await gateway.stop()
        assert "canary" not in str(gateway.log)
        assert "jane" not in str(gateway.log)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{redact: ['(']}", "no regular expression"),
        ("{max_chars: 0}", "0"),
        ("{max_chars: 100001}", "100001"),
        ("true", "log_content"),
        ("{redacts: []}", "redact"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    routes = ROUTES.replace("dialect: openai.chat}", f"dialect: openai.chat, log_content: {content}}}")
    (tmp_path / "routes.yaml").write_text(routes)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert any(said in str(problem) for problem in caught.value.problems)
