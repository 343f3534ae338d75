"""Golden files of the plugins: `tests/golden/<plugin>/<case>.yaml`, one exchange each, read by case.py.

```yaml
# One sentence: what this case shows.
call:                     # what the gateway asks of the plugin
  operation: chat         # the default
  dialect: openai.chat    # the default: the client's dialect
  stream: true            # default false
  body: !Chat             # any value of gateway.types: `!Name {field: value}`, or `!Name text` for its first field
    messages:
      - !Message {role: user, parts: [!Text "Hello"]}
  verbatim: true          # default false; `raw: '{"model": …}'` is then the client's body as received
  headers: {name: value}  # the client's, lower-case
target:                   # all optional
  model: !Model {name: claude-haiku-4-5, operation: chat, max_output_tokens: 8192}
  options: {}             # the provider's; a model's own are in !Model {options: …}
  base_url: …             # the plugin's default
  credentials: {…}        # by default `secret-<name>` for each that the plugin asks for
  voices: {nova: …}
request:                  # what `build` and `sign` make of it; each key is optional and compared where it stands
  method: POST
  url: https://…
  headers: {…}            # all of them
  body: {…}               # as JSON;   or body_text: '…' byte for byte;   or form: [[name, value], …]
refusal: has no format …  # what `refusal` returns; request and response are then left out
response:                 # what the vendor answers
  status: 200             # the default
  headers: {content-type: application/json}   # the default
  json: {…}               # or text: …;  or base64: …;  or sse: [ … ] with `newline: "\r\n"` where the vendor has it:
                          # each `{event: name, data: {…}}`, or a value for `data:` alone, or a text as it stands
events:                   # what `parse` yields, in order; of a verbatim call without the Verbatim events, whose bytes
  - !TextDelta "Hello"    # must be the response's
  - !Usage {units: !Units {input_tokens: 3, output_tokens: 1}}
  - !Done stop
error: {class: UpstreamRateLimited, message: …, retry_after_s: 2}   # raised by `parse_error`, by `parse` after
                          # `events`, or by `build` where there is no response; message and others count if given
is_cut_seen: false        # the vendor's format has no end mark, so that a cut cannot be told; say why in a comment
```

Every response is parsed again with its bytes cut in two at every position, which must change nothing, and ended
early at every position, which must raise or change nothing. Pieces of audio and of verbatim bytes are joined first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import json
from gateway.errors import GatewayError
from gateway.types import AudioChunk, Done, Event, Form, UpstreamRequest, UpstreamResponse, Verbatim
from tests.golden.case import Case, read_case

FILES = sorted(Path(__file__).parent.glob("*/*.yaml"))
IDS = [f"{file.parent.name}/{file.stem}" for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_the_request_is_the_golden_one(file: Path) -> None:
    case = read_case(file)
    assert case.plugin.refusal(case.call, case.target) == case.refusal
    if case.refusal is not None:
        return
    if case.body is None and case.error is not None:
        with pytest.raises(GatewayError) as caught:
            _ = case.plugin.build(case.call, case.target)
        _compare_error(caught.value, case)
        return
    request = case.plugin.sign(case.plugin.build(case.call, case.target), case.target)
    for key, wanted in (case.request or {}).items():
        assert _facet(request, key) == wanted, key


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_the_answer_gives_the_golden_events(file: Path) -> None:
    case = read_case(file)
    if case.body is None:
        return
    if not 200 <= case.status < 300:
        _compare_error(case.plugin.parse_error(case.status, case.headers, case.body), case)
        return
    events, error = await _parse(case, [case.body])
    if case.call.is_verbatim:
        forwarded = b"".join(event.data for event in events if isinstance(event, Verbatim))
        assert error is not None or forwarded == case.body
        events = [event for event in events if not isinstance(event, Verbatim)]
    assert events == case.events
    if case.error is None:
        assert error is None, repr(error)
    else:
        assert error is not None, "nothing was raised"
        _compare_error(error, case)


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_bytes_cut_anywhere_give_the_same_events(file: Path) -> None:
    case = read_case(file)
    if case.body is None or not 200 <= case.status < 300:
        return
    whole = await _parse(case, [case.body])
    for at in range(1, len(case.body)):
        events, error = await _parse(case, [case.body[:at], case.body[at:]])
        assert (events, repr(error)) == (whole[0], repr(whole[1])), f"cut at byte {at}"


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_an_answer_that_ends_early_never_looks_complete(file: Path) -> None:
    case = read_case(file)
    if case.body is None or not 200 <= case.status < 300 or not case.is_cut_seen or case.error is not None:
        return
    whole, _ = await _parse(case, [case.body])
    for at in range(len(case.body)):
        events, error = await _parse(case, [case.body[:at]])
        is_whole = _told(events) == _told(whole)
        assert error is not None or is_whole, f"ended at byte {at}: {events}"
        assert is_whole or not any(isinstance(event, Done) for event in events), f"done at byte {at}"


def test_there_are_golden_files() -> None:
    assert FILES


async def _parse(case: Case, chunks: Iterable[bytes]) -> tuple[list[Event], GatewayError | None]:
    """Return the events, pieces of bytes joined, and what was raised after them."""
    events: list[Event] = []
    response = UpstreamResponse(case.status, case.headers, _chunks(chunks), _closed)
    try:
        async for event in case.plugin.parse(case.call, response):
            last = events[-1] if events else None
            joins = isinstance(event, AudioChunk | Verbatim) and type(last) is type(event)
            if joins and isinstance(event, AudioChunk) and isinstance(last, AudioChunk) and event.format is None:
                events[-1] = replace(last, data=last.data + event.data)
            elif joins and isinstance(event, Verbatim) and isinstance(last, Verbatim):
                events[-1] = replace(last, data=last.data + event.data, is_content=last.is_content or event.is_content)
            else:
                events.append(event)
    except GatewayError as error:
        return events, error
    return events, None


def _told(events: list[Event]) -> list[Event]:
    """What an answer says; bytes after the end mark say nothing."""
    return [event for event in events if not isinstance(event, Verbatim)]


async def _chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _closed() -> None:
    return


def _facet(request: UpstreamRequest, key: str) -> Any:
    match key:
        case "method" | "url":
            return getattr(request, key)
        case "headers":
            return dict(request.headers)
        case "form":
            assert isinstance(request.body, Form)
            return [list(pair) for pair in request.body.fields]
    assert isinstance(request.body, bytes)
    if key == "body_text":
        return request.body.decode()
    assert key == "body", f"request has no {key!r}; the format stands at the top of test_golden.py"
    return json.loads(request.body)


def _compare_error(error: GatewayError, case: Case) -> None:
    assert case.error is not None, repr(error)
    wanted = dict(case.error)
    assert type(error).__name__ == wanted.pop("class"), repr(error)
    assert {name: getattr(error, name) for name in wanted} == wanted
