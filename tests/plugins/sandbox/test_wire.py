"""Bytes to events, however they are cut; an answer without its end line was cut."""

from __future__ import annotations

import pytest

from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.types import AudioChunk, Body, Done, Embeddings, Speech, Tool
from tests.plugins.sandbox.harness import chat, events, parsed, raw, recording

TOOL = Tool("clock", None, {"type": "object", "properties": {"zone": {"type": "string"}}})


async def every_body() -> list[Body]:
    """Return a short call for each operation."""
    spoken = await events(Speech("hi 😀", "nova", "wav"))
    data = b"".join(event.data for event in spoken if isinstance(event, AudioChunk))
    return [
        chat("Grüße 😀 you", n=2),
        chat("clock", tools=(TOOL,)),
        Embeddings(("a", "b"), dimensions=3),
        Speech("x", "nova", "mp3"),
        recording(data),
    ]


async def test_events_are_the_same_wherever_the_bytes_are_cut() -> None:
    for body in await every_body():
        whole = await events(body)
        data = await raw(body)
        for at in range(len(data) + 1):
            assert await parsed([data[:at], data[at:]], body) == whole
        assert await parsed([bytes([byte]) for byte in data], body) == whole


async def test_an_answer_that_ends_early_was_cut_wherever_that_is() -> None:
    for body in await every_body():
        data = await raw(body)
        for at in range(len(data)):
            with pytest.raises(UpstreamCut):
                await parsed([data[:at]], body)


async def test_what_follows_the_end_line_is_not_read() -> None:
    data = await raw(chat("x"))
    assert (await parsed([data + b"garbage\n"], chat("x")))[-1] == Done("stop")


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"garbage\n",
        b"[]\n",
        b"{}\n",
        b'{"text":"a"}\n',
        b'{"audio":"***"}\n',
        b'{"audio":"","format":"wav"}\n',
        b'{"usage":{"dollars":1}}\n',
        b'{"vector":1,"index":0}\n',
        b'{"end":1}\n',
        b"\xff\n",
    ],
)
async def test_a_line_of_another_kind_is_malformed(line: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        await parsed([line], chat("x"))


async def test_a_line_without_end_is_malformed() -> None:
    with pytest.raises(UpstreamMalformed, match="more than 8388608 bytes"):
        await parsed([b"a" * 1_048_576] * 9, chat("x"))
