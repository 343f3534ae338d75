"""A stream that waits says so every 15 seconds, and only between its chunks."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gateway.server import watch
from tests.harness import ROUTES, SANDBOX, inside

CHAT = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "one two three four"}]}


async def test_a_stream_that_waits_sends_comments_that_clients_pass_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KEEP_ALIVE_S", 0.05)
    providers = SANDBOX.replace("chat: {operation: chat,", "chat: {operation: chat, options: {tokens_per_s: 5},")
    async with inside(tmp_path, providers, ROUTES) as gateway, aiohttp.ClientSession() as http:
        async with http.post(gateway.url + "/v1/chat/completions", json=CHAT) as response:
            text = await response.text()

    events = text.split("\n\n")
    assert events.count(": keep-alive") >= 3
    assert all(event.startswith(("data: ", ": keep-alive")) for event in events if event)
    assert events[-2] == "data: [DONE]"


async def test_audio_has_no_room_for_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KEEP_ALIVE_S", 0.02)
    providers = SANDBOX.replace(
        "speech: {operation: speech,", "speech: {operation: speech, options: {realtime_factor: 2},"
    )
    speech = {"voice": "nova", "input": "one two three", "response_format": "pcm"}
    async with inside(tmp_path, providers, ROUTES) as gateway, aiohttp.ClientSession() as http:
        async with http.post(gateway.url + "/v1/audio/speech", json=speech) as response:
            assert b"keep-alive" not in await response.read()
