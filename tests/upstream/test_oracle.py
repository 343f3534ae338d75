"""Answers made at random, whole and mutilated: we read what aiohttp's client reads, or refuse for a reason listed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import aiohttp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamError, UpstreamMalformed
from gateway.types import UpstreamRequest
from gateway.upstream.http import HttpTransport
from tests.upstream.client_of_aiohttp import ask, session
from tests.upstream.raw_server import Connection, raw_server
from tests.upstream.sending import read

Read = tuple[int, dict[str, str], bytes]

# Where we are stricter: aiohttp's client reads answers in the parser's lenient form, and looks at less of a head.
STRICTER = re.compile(
    "|".join(
        (
            r"Missing expected (?:CR|LF)", r"Expected LF", r"Unexpected whitespace after header value",
            r"Unexpected space after start line", r"Invalid header (?:value char|field char|token)",
            r"Invalid character in chunk (?:size|extension)", r"a transfer coding other than chunked",
            r"Invalid response status", r"two transfer codings", r"HTTP/[0-9.]+$", r"status [0-9]+$",
        )
    )
)  # fmt: skip

NAME = st.sampled_from([b"x-a", b"Content-Type", b"date", b"x_y", b"connection", b"keep-alive", b"x!"])
VALUE = st.one_of(
    st.sampled_from([b"close", b"keep-alive", b"", b"a, b", b"timeout=5", b"\xc3\xa9", b"\xff", b'"q"', b" a\tb "]),
    st.binary(max_size=6),
)
LINES = st.lists(st.tuples(NAME, VALUE).map(lambda pair: b"%b: %b\r\n" % pair), max_size=4).map(b"".join)
BODY = st.binary(max_size=30)
EXTENSION = st.sampled_from([b"", b"", b";a", b";a=b", b';a="b c"', b" "])


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    coded = [b"%x%b\r\n%b\r\n" % (len(piece), draw(EXTENSION), piece) for piece in pieces]
    return b"".join(coded) + b"0\r\n" + draw(st.sampled_from([b"", b"", b"x: y\r\n", b"x y\r\n"])) + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    version = draw(st.sampled_from([b"1.1"] * 8 + [b"1.0", b"2.0", b"1.2", b"0.9"]))
    status = draw(st.sampled_from([b"200"] * 6 + [b"204", b"304", b"404", b"099", b"101", b"999", b"20"]))
    body = draw(BODY)
    framing, sent = draw(
        st.one_of(
            st.just((b"content-length: %d\r\n" % len(body), body)),
            st.just((b"content-length: %d\r\n" % (len(body) + 1), body)),
            st.just((b"Content-Length: %d\r\ncontent-length: %d\r\n" % (len(body), len(body)), body)),
            st.just((b"", body)),
            chunked().map(lambda coded: (b"Transfer-Encoding: chunked\r\n", coded)),
            chunked().map(lambda coded: (b"transfer-encoding: gzip, chunked\r\n", coded)),
            chunked().map(lambda coded: (b"transfer-encoding: chunked\r\ncontent-length: 3\r\n", coded)),
        )
    )
    interim = draw(
        st.sampled_from([b""] * 4 + [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n"])
    )
    reason = draw(st.sampled_from([b" OK", b" ", b"", b" \xe9"]))
    head: bytes = interim + b"HTTP/%b %b%b\r\n" % (version, status, reason) + draw(LINES) + framing + b"\r\n"
    return head + bytes(sent)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    answer: bytes = draw(answers())
    how = draw(st.sampled_from(["not", "not", "cut", "without", "with", "ends in LF"]))
    at = draw(st.integers(0, len(answer)))
    if how == "cut":
        return answer[:at]
    if how == "without":
        return answer[:at] + answer[at + 1 :]
    if how == "with":
        return answer[:at] + draw(st.sampled_from([b"\r", b"\n", b" ", b"\0", b":", b"\r\n", b"1", b";"])) + answer[at:]
    if how == "ends in LF":
        return answer.replace(b"\r\n", b"\n", draw(st.integers(1, 3)))
    return answer


async def ours(http: HttpTransport, url: str, method: str) -> Read | UpstreamError:
    try:
        found = await http.bind(5.0)(UpstreamRequest(method, url, {}))
        try:
            return found.status, dict(found.headers), await read(found)
        finally:
            await found.close()
    except UpstreamError as error:
        return error


class Bench:
    """Both clients, and a vendor that sends them `answer` in pieces and closes the connection."""

    def __init__(self, url: str, http: HttpTransport, client: aiohttp.ClientSession) -> None:
        self.url, self._http, self._client = url, http, client
        self.answer = b""
        self.cuts: list[int] = []

    async def talk(self, connection: Connection) -> None:
        await connection.request()
        for start, end in pairwise(sorted({0, len(self.answer), *(at % (len(self.answer) + 1) for at in self.cuts)})):
            connection.writer.write(self.answer[start:end])
            for _ in range(3):
                await asyncio.sleep(0)

    async def check(self, answer: bytes, cuts: list[int], method: str) -> str:
        """Return how the two agree. Raises AssertionError where they do not."""
        self.answer, self.cuts = answer, cuts
        async with asyncio.timeout(20):
            mine = await ours(self._http, self.url, method)
        # aiohttp 3.14 waits for ever after some broken chunks: where we refuse it has less time to say otherwise.
        theirs = await ask(self._client, self.url, method, 0.2 if isinstance(mine, UpstreamError) else 20.0)
        if not isinstance(mine, UpstreamError):
            assert mine == theirs or await self._reads_a_beginning(mine, method)
            return "read by both"
        if theirs is None:
            return "read by none"
        assert isinstance(mine, UpstreamMalformed)
        assert STRICTER.search(mine.message), mine.message
        return "refused by us"

    async def _reads_a_beginning(self, mine: Read, method: str) -> bool:
        """aiohttp may refuse an answer for what follows its end: we read it, and use the connection no more."""
        whole = self.answer
        for end in range(len(whole) - 1, 0, -1):
            self.answer = whole[:end]
            theirs = await ask(self._client, self.url, method, 1.0)
            if theirs is not None:
                return mine == theirs
        return False


@asynccontextmanager
async def benched() -> AsyncIterator[Bench]:
    http = HttpTransport("1.1 test")
    async with session() as client:
        bench = Bench("", http, client)
        async with raw_server(bench.talk) as server:
            bench.url = server.url
            yield bench
        await http.aclose()


def test_what_either_reads_the_other_reads_too_or_we_refuse_it() -> None:
    seen: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        bench = runner.run(stack.enter_async_context(benched()))

        @settings(max_examples=200)
        @example(b"HTTP/1.1 200 OK\r\nx-a:  a\tb \r\ncontent-length: 0\r\n\r\n", [], "GET")
        @given(mutilated(), st.lists(st.integers(0, 400), max_size=3), st.sampled_from(["GET", "POST", "HEAD"]))
        def check(answer: bytes, cuts: list[int], method: str) -> None:
            seen[runner.run(bench.check(answer, cuts, method))] += 1

        try:
            check()
        finally:
            runner.run(stack.aclose())
    assert min(seen[kind] for kind in ("read by both", "read by none", "refused by us")) >= 5, seen
