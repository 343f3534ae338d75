"""What stands where a vendor's server would: takes a request, decides the answer, sends it at its pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from gateway.errors import UpstreamUnreachable
from gateway.json import dumps, loads
from gateway.types import Form, UpstreamRequest, UpstreamResponse

from . import chatting, tokens
from .faults import Failure, failure, spoil
from .hearing import ForeignAudio, NotAudio, hear
from .library import Library, find_documents, read_library
from .live import session
from .options import Options, read_options
from .pace import Paced, Step
from .schema import CannotMake
from .speaking import speak, spoken_format
from .vectors import vector
from .wire import audio_line, end_line, line

MAX_EMBEDDING_TOKENS = 8192  # of one input, as at OpenAI; bounds how long one vector holds up the others
FOREIGN_AUDIO = (
    "the sandbox writes down only what it spoke itself (wav or mp3, not re-encoded), and this is other audio; "
    "for real speech install the extra 'local' or configure a provider of transcription"
)


class TooLong(ValueError):
    """An input is longer than the sandbox takes."""


class Server:
    """Answers requests. Keeps nothing between them but the documentation it has read."""

    def __init__(self) -> None:
        self._library: Library | None = None

    async def answer(self, request: UpstreamRequest) -> UpstreamResponse:
        """Return the answer; its body is made as it is read. Raises UpstreamUnreachable for fault `refuse`."""
        asked = loads(_description(request))
        options = read_options(asked["options"])
        if options.fault == "refuse":
            raise UpstreamUnreachable("the sandbox plays a refused connection; this model has `fault: refuse`")
        if options.fault == "silent":
            await asyncio.Event().wait()  # until the caller gives up
        failed = failure(options)
        if failed is not None:
            return _failed(failed)
        try:
            steps = await self._steps(request, asked, options)
        except (TooLong, CannotMake, ForeignAudio, NotAudio, chatting.UnknownTool) as error:
            return _failed(_refused(error))
        body = Paced(spoil(steps, options))
        return UpstreamResponse(200, {"content-type": "application/x-ndjson"}, body, body.close)

    async def live(self, request: UpstreamRequest, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what a live session says."""
        assert isinstance(request.body, bytes)
        asked = loads(request.body)
        async for said in session(asked, source, self._read_library):
            yield said

    async def _steps(self, request: UpstreamRequest, asked: Mapping[str, Any], options: Options) -> Iterator[Step]:
        operation = asked["operation"]
        if operation == "chat":
            library = await self._read_library()
            if asked["tools"] or asked["format"]:
                said = await asyncio.to_thread(chatting.decide, asked, library)  # a hard schema takes a while
            else:
                said = chatting.decide(asked, library)
            return chatting.steps(said, asked, options)
        if operation == "embeddings":
            return _embed(asked, options)
        if operation == "speech":
            return _speak(asked, options)
        return await _transcribe(request, options)

    async def _read_library(self) -> Library:
        if self._library is None:
            self._library = await asyncio.to_thread(lambda: read_library(find_documents()))
        return self._library


def _description(request: UpstreamRequest) -> bytes:
    if isinstance(request.body, Form):
        return dict(request.body.fields)["request"].encode()
    return request.body


def _embed(asked: Mapping[str, Any], options: Options) -> Iterator[Step]:
    inputs = asked["inputs"]
    sizes = [tokens.count(source) if isinstance(source, str) else len(source) for source in inputs]
    if max(sizes, default=0) > MAX_EMBEDDING_TOKENS:
        raise TooLong(f"an input has {max(sizes)} tokens; the sandbox embeds at most {MAX_EMBEDDING_TOKENS} at once")
    dimensions = asked["dimensions"] or options.dimensions

    def made() -> Iterator[Step]:
        for index, source in enumerate(inputs):
            yield Step(options.first_delay_s, line({"vector": vector(source, dimensions), "index": index}))
        yield from _ending({"input_tokens": sum(sizes)}, options.first_delay_s)

    return made()


def _speak(asked: Mapping[str, Any], options: Options) -> Iterator[Step]:
    text = asked["text"]
    audio_format = spoken_format(asked["format"], asked["sample_rate_hz"])
    second_s = 1 / options.realtime_factor if options.realtime_factor else 0.0
    at_s = options.first_delay_s
    for number, (starts_s, data) in enumerate(speak(text, asked["voice"], asked["speed"], audio_format)):
        at_s = options.first_delay_s + starts_s * second_s
        yield Step(at_s, audio_line(data, None if number else audio_format))
    yield from _ending({"characters": len(text)}, at_s)


async def _transcribe(request: UpstreamRequest, options: Options) -> Iterator[Step]:
    assert isinstance(request.body, Form)
    upload = dict(request.body.files)["file"]
    heard = await asyncio.to_thread(lambda: hear(upload.read()))
    at_s = options.first_delay_s
    transcript = Step(at_s, line({"transcript": heard.text, "duration_s": heard.duration_s}))
    return iter([transcript, *_ending({"audio_seconds": heard.duration_s}, at_s)])


def _ending(usage: Mapping[str, Any], at_s: float) -> tuple[Step, Step]:
    return Step(at_s, line({"usage": usage}), is_content=False), Step(at_s, end_line(), is_content=False)


def _refused(error: ValueError) -> Failure:
    """Say 422 where another provider may well do it, 400 where nobody can."""
    match error:
        case ForeignAudio():
            return Failure(422, "foreign_audio", FOREIGN_AUDIO)
        case NotAudio():
            return Failure(400, "not_audio", f"{error}; send a whole audio file")
        case chatting.UnknownTool():
            return Failure(400, "unknown_tool", str(error))
    return Failure(422, "too_hard", str(error))


def _failed(failed: Failure) -> UpstreamResponse:
    headers = {"content-type": "application/json"}
    if failed.retry_after_s is not None:
        headers["retry-after"] = str(failed.retry_after_s)
    body = Paced(iter([Step(0.0, dumps({"error": {"code": failed.code, "message": failed.message}}))]))
    return UpstreamResponse(failed.status, headers, body, body.close)
