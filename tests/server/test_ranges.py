"""Audio that a cache gives again: whole, a part of it, or the word that the client has it already (RFC 9110)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from gateway.server.ranges import conditional
from gateway.types import Rendered

AUDIO = bytes(range(10))
ETAG = '"abc"'


async def asked(headers: Mapping[str, str], audio: bytes = AUDIO) -> tuple[int, bytes, str | None]:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(audio), 3):
            yield audio[at : at + 3]

    found = await conditional(Rendered("audio/mpeg", chunks(), headers={"x-kept": "1"}), ETAG, headers)
    assert isinstance(found.body, bytes)
    assert (found.headers["etag"], found.headers["accept-ranges"], found.headers["x-kept"]) == (ETAG, "bytes", "1")
    return found.status, found.body, found.headers.get("content-range")


async def test_without_a_range_it_is_whole() -> None:
    assert await asked({}) == (200, AUDIO, None)


@pytest.mark.parametrize(
    ("text", "part", "place"),
    [
        ("bytes=0-0", AUDIO[:1], "0-0"),
        ("bytes=0-8", AUDIO[:9], "0-8"),
        ("bytes=0-9", AUDIO, "0-9"),
        ("bytes=0-10", AUDIO, "0-9"),
        ("bytes=3-", AUDIO[3:], "3-9"),
        ("bytes=9-", AUDIO[9:], "9-9"),
        ("bytes=-1", AUDIO[9:], "9-9"),
        ("bytes=-10", AUDIO, "0-9"),
        ("bytes=-11", AUDIO, "0-9"),
        ("Bytes= 2-3 ", AUDIO[2:4], "2-3"),
    ],
)
async def test_a_part(text: str, part: bytes, place: str) -> None:
    assert await asked({"range": text}) == (206, part, f"bytes {place}/10")


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-20", "bytes=-0"])
async def test_a_part_that_is_not_there(text: str) -> None:
    assert await asked({"range": text}) == (416, b"", "bytes */10")


@pytest.mark.parametrize(
    "text",
    [
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=0-1,3-4",
        "items=0-1",
        "bytes=a-b",
        "bytes=٣-٤",
        "0-3",
        "bytes=" + "9" * 19,
    ],
)
async def test_what_is_no_range_is_passed_over(text: str) -> None:
    assert await asked({"range": text}) == (200, AUDIO, None)


@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
async def test_who_has_it_is_told_so(known: str) -> None:
    assert await asked({"if-none-match": known, "range": "bytes=0-1"}) == (304, b"", None)


async def test_who_has_another_gets_this_one() -> None:
    assert await asked({"if-none-match": '"other"'}) == (200, AUDIO, None)


@pytest.mark.parametrize(("if_range", "status"), [(ETAG, 206), ('"other"', 200), (f"W/{ETAG}", 200)])
async def test_a_part_of_another_audio_is_of_no_use(if_range: str, status: int) -> None:
    assert (await asked({"range": "bytes=0-1", "if-range": if_range}))[0] == status


async def test_what_is_no_audio_is_left_as_it_is() -> None:
    rendered = Rendered("application/json", b"{}")
    assert await conditional(rendered, ETAG, {"range": "bytes=0-0"}) is rendered
