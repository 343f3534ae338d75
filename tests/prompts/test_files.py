"""Prompt files: every fault at its line and column, and SIGHUP."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gateway.config.files import Files
from gateway.config.load import read
from tests.harness import process
from tests.prompts.setting import PROMPT, files, write


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
