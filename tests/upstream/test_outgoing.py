"""A request as bytes: every line stays one line, and what belongs to the connection is nobody else's to set."""

from __future__ import annotations

import pytest

from gateway.types import Form, UpstreamRequest
from gateway.upstream.outgoing import outgoing
from tests.given import upload


def written(request: UpstreamRequest, target: str = "/v1") -> list[str]:
    head, _ = outgoing(request, "a.example", target, "1.1 x")
    assert head.endswith(b"\r\n\r\n")
    return head.decode().split("\r\n")[:-2]


def test_a_head_has_what_was_given_and_what_the_connection_needs() -> None:
    assert written(UpstreamRequest("POST", "", {"X-A": "b", "authorization": "Bearer k"}, b"{}")) == [
        "POST /v1 HTTP/1.1", "host: a.example", "X-A: b", "authorization: Bearer k",
        "accept-encoding: identity", "via: 1.1 x", "content-length: 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "has_length"), [("GET", False), ("HEAD", False), ("DELETE", False), ("POST", True), ("PUT", True)]
)
def test_nothing_to_send_has_a_length_only_where_there_could_be_something(method: str, has_length: bool) -> None:
    assert ("content-length: 0" in written(UpstreamRequest(method, "", {}))) is has_length


def test_what_says_how_long_a_request_is_or_how_it_is_sent_is_ours() -> None:
    theirs = {
        "Content-Length": "7", "transfer-encoding": "chunked", "Connection": "close", "TE": "trailers",
        "expect": "100-continue", "Upgrade": "h2c", "Accept-Encoding": "gzip", "Via": "1.0 y",
    }  # fmt: skip
    assert written(UpstreamRequest("POST", "", theirs, b"{}")) == written(UpstreamRequest("POST", "", {}, b"{}"))


def test_a_form_and_an_upload_tell_their_length() -> None:
    form = UpstreamRequest("POST", "", {"content-type": "text/x"}, Form((("a", "b"),), ()))
    lines = written(form)
    assert [line for line in lines if line.startswith("content-type: ")] == [lines[-2]]
    assert lines[-2].startswith("content-type: multipart/form-data; boundary=")
    assert written(UpstreamRequest("POST", "", {}, upload=upload(b"abc")))[-1] == "content-length: 3"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "\r\n\r\nGET / HTTP/1.1"])
@pytest.mark.parametrize("is_name", [False, True])
def test_a_header_that_would_end_its_line_is_not_written(value: str, is_name: bool) -> None:
    headers = {value: "x"} if is_name else {"x": value}
    with pytest.raises(ValueError, match="line break"):
        written(UpstreamRequest("POST", "", headers))


@pytest.mark.parametrize("target", ["/a b", "/a\r\nb", "/ü", "", "/a\tb"])
def test_a_target_that_would_end_the_first_line_is_not_written(target: str) -> None:
    with pytest.raises(ValueError, match="first line"):
        written(UpstreamRequest("POST", "", {}), target)
