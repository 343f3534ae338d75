"""A form goes out as multipart/form-data that other readers read as the same form, of exactly the length it said."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.multipart import BodyPartReader, MultipartReader
from hypothesis import given
from hypothesis import strategies as st

from gateway.types import Form, Upload
from gateway.upstream.files import CHUNK_BYTES
from gateway.upstream.multipart import Multipart

# What the HTML standard escapes is read back escaped; the rest as it was.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
VALUES = st.text(max_size=40)
FILES = st.binary(max_size=200)


def upload(data: bytes, filename: str = "a.wav", content_type: str = "audio/wav") -> Upload:
    return Upload(filename, content_type, len(data), io.BytesIO(data))


async def sent(multipart: Multipart) -> bytes:
    return b"".join([chunk async for chunk in multipart.chunks()])


async def parts(multipart: Multipart) -> AsyncIterator[tuple[BodyPartReader, bytes]]:
    """Read it with aiohttp's own reader."""
    content = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(await sent(multipart))
    content.feed_eof()
    reader = MultipartReader({"Content-Type": multipart.content_type}, content)
    async for part in reader:
        assert isinstance(part, BodyPartReader)
        yield part, bytes(await part.read())


def escaped(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.lists(st.tuples(NAMES, NAMES, FILES), max_size=3))
async def test_a_form_is_written_as_it_was(fields: list[tuple[str, str]], files: list[tuple[str, str, bytes]]) -> None:
    form = Form(tuple(fields), tuple((name, upload(data, filename)) for name, filename, data in files))
    multipart = Multipart(form)
    raw = await sent(multipart)
    assert len(raw) == multipart.size_bytes
    delimiter = b"--" + multipart.content_type.partition("boundary=")[2].encode()
    pieces = raw.removesuffix(delimiter + b"--\r\n").split(delimiter + b"\r\n")[1:]
    assert [piece.split(b"\r\n\r\n", 1)[1] for piece in pieces] == [
        *(value.encode() + b"\r\n" for _, value in fields),
        *(data + b"\r\n" for _, _, data in files),
    ]
    names = [escaped(name) for name, _ in fields] + [escaped(name) for name, _, _ in files]
    assert [piece.decode(errors="replace").partition('name="')[2].partition('"')[0] for piece in pieces] == names


@given(
    st.lists(st.tuples(st.sampled_from(["model", "timestamp_granularities[]", "ü", "a b"]), VALUES), max_size=4),
    st.lists(FILES, max_size=2),
)
async def test_aiohttp_reads_the_same_fields_and_files(fields: list[tuple[str, str]], files: list[bytes]) -> None:
    form = Form(tuple(fields), tuple(("file", upload(data)) for data in files))
    found = [(part.name, part.filename, body) async for part, body in parts(Multipart(form))]
    expected: list[tuple[str, str | None, bytes]] = [(name, None, value.encode()) for name, value in fields]
    assert found == expected + [("file", "a.wav", data) for data in files]


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1_048_577, 3 * CHUNK_BYTES])
async def test_the_length_is_exact_whatever_the_file_and_can_be_sent_again(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    multipart = Multipart(Form((("model", "whisper-1"), ("ü", "語")), (("file", upload(data, "ü.wav")),)))
    first = await sent(multipart)
    assert len(first) == multipart.size_bytes
    assert await sent(multipart) == first
    assert data in first


@pytest.mark.parametrize("evil", ['a"; filename="x', "a\r\nX-Evil: 1", "a\r\n\r\nbody\r\n--x", "a\nb", "a\rb"])
async def test_no_name_ends_its_line_or_its_quotes(evil: str) -> None:
    form = Form(((evil, "v"),), ((evil, upload(b"data", evil)),))
    found = [part async for part in parts(Multipart(form))]
    assert [body for _, body in found] == [b"v", b"data"]
    assert all("x-evil" not in part.headers for part, _ in found)
    lines = [line for line in (await sent(Multipart(form))).split(b"\r\n") if line.startswith(b"Content-Disposition")]
    assert [line.count(b'"') for line in lines] == [2, 4]


@pytest.mark.parametrize(
    "evil", ["audio/wav\r\nX-Evil: 1", "audio/wav\nX-Evil: 1", "a\r\n\r\nb", "a\rb", "", "ü\udcff"]
)
async def test_no_content_type_ends_its_line(evil: str) -> None:
    found = [part async for part in parts(Multipart(Form((), (("file", upload(b"data", content_type=evil)),))))]
    assert [body for _, body in found] == [b"data"]
    assert {name.lower() for name in found[0][0].headers} == {"content-disposition", "content-type"}


async def test_bytes_that_are_no_utf_8_go_out_as_they_came_in() -> None:
    """They are read as surrogates, in names that clients send."""
    raw = await sent(Multipart(Form((("\udcff", "v"),), (("file", upload(b"d", "\udcfe.wav")),))))
    assert b'name="\xff"' in raw
    assert b'filename="\xfe.wav"' in raw


def test_two_forms_have_two_boundaries() -> None:
    form = Form((), ())
    assert Multipart(form).content_type != Multipart(form).content_type


async def test_a_value_is_not_taken_for_the_boundary() -> None:
    multipart = Multipart(Form((("a", "--\r\n--" + "0" * 32 + "--\r\n"),), ()))
    assert [body async for _, body in parts(multipart)] == [b"--\r\n--" + b"0" * 32 + b"--\r\n"]
