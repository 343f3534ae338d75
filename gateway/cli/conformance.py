"""Whether a plugin keeps its side of the contract: checks of any plugin, and of exchanges with its vendor.

Every response of a case is parsed again with its bytes cut in two at every position, which must change nothing, and
ended early at every position, which must raise or change nothing. Pieces of audio and of verbatim bytes are joined.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from gateway import json
from gateway.cli.plugin_case import Case
from gateway.config.foreign import check_plugin
from gateway.config.schema import schema_fault
from gateway.errors import GatewayError
from gateway.plugin import Loaded, Plugin, PluginError
from gateway.types import AudioChunk, Done, Event, Form, Operation, UpstreamRequest, UpstreamResponse, Verbatim

ANSWERS: tuple[tuple[bytes, str], ...] = (  # bodies and content types that nobody promised
    (b"", ""),
    (b"<html><h1>Bad gateway</h1></html>", "text/html"),
    (b"{}", "application/json"),
    (b'{"error": "x"}', "application/json"),
    (b"[1]", "application/json"),
    (b"\xff\xfe", "text/plain"),
)
STATUSES = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)
_ADDRESS = re.compile(r"(?:https?://[^/?#@]+[^?#]*)?")


class Nonconforming(Exception):
    """What the plugin does is not what is asked; the message says what."""


# ---------------------------------------------------------------- any plugin


def contract_faults(loaded: Loaded) -> Iterator[str]:
    """Yield what is wrong with a plugin's own words, and with how it takes errors that it cannot know."""
    plugin: Plugin = loaded.value
    try:
        check_plugin(loaded, {})
    except PluginError as error:
        yield error.message
        return
    if fault := schema_fault(plugin.options_schema):
        yield f"options_schema is no JSON Schema: {fault}"
    operations = plugin.operations()
    if not operations or not operations <= set(get_args(Operation)):
        named = ", ".join(sorted(operations)) or "nothing"
        yield f"operations() names {named}; it has to name some of {', '.join(get_args(Operation))}"
    if plugin.backend is None and not _ADDRESS.fullmatch(plugin.default_base_url):
        yield f"default_base_url {plugin.default_base_url!r} is no address; write https://host/path, or '' for none"
    if strange := set(plugin.wire) - operations:
        yield f"wire names {', '.join(sorted(strange))}, which operations() does not"
    yield from _error_faults(plugin)


def _error_faults(plugin: Plugin) -> Iterator[str]:
    if plugin.backend is not None:
        return  # its errors are its own process's
    for status in STATUSES:
        for body, kind in ANSWERS:
            shown = f"parse_error({status}, {body[:20]!r})"
            try:
                error: object = plugin.parse_error(status, {"content-type": kind}, body)
            except Exception as raised:  # a plugin is foreign code: whatever it raises is what is looked for
                yield f"{shown} raises {type(raised).__name__}: a vendor's page or a proxy's may be anything"
                continue
            if not isinstance(error, GatewayError):
                yield f"{shown} returns {type(error).__name__}; it has to return an error of gateway.errors"
            elif (status in (401, 429) or status >= 500) and not error.can_fail_over:
                yield f"{shown} is {type(error).__name__}, after which nobody else is asked"


# ---------------------------------------------------------------- an exchange


def check_request(case: Case) -> None:
    """Check what `refusal`, `build` and `sign` make of the call. Raises Nonconforming."""
    refusal = case.plugin.refusal(case.call, case.target)
    _same(refusal, case.refusal, "refusal")
    if case.refusal is not None:
        return
    try:
        request = case.plugin.sign(case.plugin.build(case.call, case.target), case.target)
        again = case.plugin.sign(case.plugin.build(case.call, case.target), case.target)
    except GatewayError as error:
        if case.body is not None or case.error is None:
            raise Nonconforming(f"build raises {error!r}") from error
        compare_error(error, case)
        return
    if case.body is None and case.error is not None:
        raise Nonconforming("build raises nothing")
    if _described(request) != _described(again):  # a signature has its second in it, and that may just have ended
        again, request = case.plugin.sign(case.plugin.build(case.call, case.target), case.target), again
    if _described(request) != _described(again):
        raise Nonconforming("build and sign make another request of the same call; they have no clock and no state")
    for key, wanted in (case.request or {}).items():
        _same(_facet(request, key), wanted, f"request.{key}")


async def check_answer(case: Case) -> None:
    """Check the events, or the error, that the answer is parsed into. Raises Nonconforming."""
    if case.body is None:
        return
    if not 200 <= case.status < 300:
        compare_error(case.plugin.parse_error(case.status, case.headers, case.body), case)
        return
    events, error = await _parse(case, [case.body])
    if case.call.is_verbatim:
        forwarded = b"".join(event.data for event in events if isinstance(event, Verbatim))
        if error is None and forwarded != case.body:
            raise Nonconforming("the Verbatim events are not the bytes of the answer")
        events = [event for event in events if not isinstance(event, Verbatim)]
    if case.error is None and error is not None:
        raise Nonconforming(f"parse raises {error!r}")
    _same(events, case.events, "events")
    if case.error is not None:
        if error is None:
            raise Nonconforming(f"parse raises nothing, and is to raise {case.error['class']}")
        compare_error(error, case)


async def check_cuts(case: Case) -> None:
    """Check that bytes cut anywhere give the same events. Raises Nonconforming."""
    if case.body is None or not 200 <= case.status < 300:
        return
    whole = await _parse(case, [case.body])
    for at in range(1, len(case.body)):
        events, error = await _parse(case, [case.body[:at], case.body[at:]])
        if (events, repr(error)) != (whole[0], repr(whole[1])):
            raise Nonconforming(f"cut at byte {at} of {len(case.body)} the answer gives {events!r}, {error!r}")


async def check_early_end(case: Case) -> None:
    """Check that an answer that ends early never looks complete. Raises Nonconforming."""
    if case.body is None or not 200 <= case.status < 300 or not case.is_cut_seen or case.error is not None:
        return
    whole, _ = await _parse(case, [case.body])
    for at in range(len(case.body)):
        events, error = await _parse(case, [case.body[:at]])
        if _told(events) == _told(whole):
            continue
        if error is None:
            raise Nonconforming(f"ended at byte {at} of {len(case.body)} the answer passes for a whole one: {events!r}")
        if any(isinstance(event, Done) for event in events):
            raise Nonconforming(f"ended at byte {at} of {len(case.body)} the answer is done all the same")


Check = Callable[[Case], Awaitable[None]]


async def _check_request(case: Case) -> None:
    check_request(case)


CHECKS: Mapping[str, Check] = {
    "the request": _check_request,
    "the answer": check_answer,
    "bytes cut anywhere": check_cuts,
    "an answer that ends early": check_early_end,
}


def compare_error(error: object, case: Case) -> None:
    """Raises Nonconforming where the error is not the case's."""
    if case.error is None:
        raise Nonconforming(f"the error is {error!r}, and none is told in the case")
    wanted = dict(case.error)
    _same(type(error).__name__, wanted.pop("class"), "error.class")
    for name, value in wanted.items():
        _same(getattr(error, name, None), value, f"error.{name}")


# ---------------------------------------------------------------- parts


def _same(found: Any, wanted: Any, what: str) -> None:
    if found != wanted:
        raise Nonconforming(f"{what} is {found!r}, and is to be {wanted!r}")


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


def _described(request: UpstreamRequest) -> tuple[Any, ...]:
    return request.method, request.url, dict(request.headers), request.body


def _facet(request: UpstreamRequest, key: str) -> Any:
    match key:
        case "method" | "url":
            return getattr(request, key)
        case "headers":
            return dict(request.headers)
        case "form" if isinstance(request.body, Form):
            return [list(pair) for pair in request.body.fields]
        case "body_text" if isinstance(request.body, bytes):
            return request.body.decode()
        case "body" if isinstance(request.body, bytes):
            return json.loads(request.body)
    raise Nonconforming(f"request has no {key!r}; the format stands in gateway/cli/plugin_case.py")
