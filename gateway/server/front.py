"""What is refused before it is routed: requests that two parsers could read as two different things (traps.md).

The path that is matched is the path that is authorised, logged, metered and forwarded: the same bytes, or 400.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from aiohttp import HttpVersion10, HttpVersion11, web

from gateway.errors import InvalidRequest, LoopDetected
from gateway.services import VIA_NAME
from gateway.types import Head

MAX_HOPS = 4  # gateways behind gateways; more is a loop through several of them
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TARGET = re.compile(r"/[!$&'()*+,\-./:;=@_~%A-Za-z0-9]*(?:\?[!$&'()*+,\-./:;=?@_~%A-Za-z0-9\[\]|{}\"<>^`]*)?")
_AMBIGUOUS_PATH = re.compile(r"//|/\.{1,2}(?:/|$)|%(?:2e|2f|5c|00|0a|0d|25)|%(?![0-9a-f]{2})", re.IGNORECASE)
_LENGTH = re.compile(r"0|[1-9][0-9]*")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def read_head(request: web.BaseRequest, request_id: str, instance: str) -> Head:
    """Return the head of a request that means one thing. Raises InvalidRequest or LoopDetected."""
    target = request.raw_path
    if request.method not in _METHODS:
        raise InvalidRequest(f"method {request.method[:20]!r} is not served")
    if request.version not in (HttpVersion10, HttpVersion11):
        raise InvalidRequest("only HTTP/1.0 and HTTP/1.1 are spoken here")
    if not _TARGET.fullmatch(target):
        raise InvalidRequest("the request target must be a plain path, percent-encoded, with an optional query")
    path, _, query = target.partition("?")
    if _AMBIGUOUS_PATH.search(path):
        raise InvalidRequest("the path is ambiguous: no '//', dot segments, '%2e', '%2f', '%5c', '%25' or controls")
    headers = _headers(request)
    _check_framing(request, headers)
    _check_hops(headers.get("via", ""), instance)
    return Head(
        id=request_id,
        method=request.method,
        path=path,
        query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        raw_query=query,
        headers=headers,
        remote=request.remote or "",
    )


def _headers(request: web.BaseRequest) -> dict[str, str]:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if len(headers) < len(request.headers):  # some are repeated
        headers = {name: ", ".join(request.headers.getall(name)) for name in headers}
    return headers


def _check_framing(request: web.BaseRequest, headers: dict[str, str]) -> None:
    given = request.headers
    hosts = given.getall("host") if "host" in headers else []
    if request.version == HttpVersion11 and len(hosts) != 1:
        raise InvalidRequest(f"HTTP/1.1 wants one Host header; there are {len(hosts)}")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise InvalidRequest("the Host header must be a host name with an optional port")
    encodings = []
    if "transfer-encoding" in headers:
        encodings = [value.strip().lower() for value in given.getall("transfer-encoding")]
        if request.version == HttpVersion10 or encodings != ["chunked"]:
            raise InvalidRequest("Transfer-Encoding must be 'chunked' alone, over HTTP/1.1")
    lengths = given.getall("content-length") if "content-length" in headers else []
    if len(lengths) > 1 or (lengths and encodings):
        raise InvalidRequest("give the body's length once: Content-Length or Transfer-Encoding, not both")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise InvalidRequest("Content-Length must be a plain decimal number")
    if headers.get("content-encoding", "identity") != "identity":
        raise InvalidRequest("a compressed body is not taken; send it without Content-Encoding")


def _check_hops(via: str, instance: str) -> None:
    if instance in via or via.count(VIA_NAME) >= MAX_HOPS:
        raise LoopDetected("this request has been here before: a provider's base_url leads back to this gateway")
