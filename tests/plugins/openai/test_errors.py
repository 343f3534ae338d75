"""What OpenAI's refusals mean: whose fault, whether another target may do better, when to come back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ContentRefused,
    ContextExceeded,
    GatewayError,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.dialects.bodies import JSON
from tests.plugins.openai.answers import PLUGIN


def meaning(
    status: int, error: Any = None, headers: dict[str, str] | None = None, body: bytes | None = None
) -> GatewayError:
    raw = body if body is not None else orjson.dumps({"error": error if error is not None else {"message": "no"}})
    found = PLUGIN.parse_error(status, headers or {}, raw)
    assert isinstance(found, GatewayError)
    return found


TABLE: list[tuple[int, Any, type[GatewayError], bool]] = [
    (400, {"message": "bad", "param": "top_p"}, UpstreamRejected, False),
    (400, {"message": "long", "code": "context_length_exceeded"}, ContextExceeded, True),
    (400, {"message": "This model's maximum context length is 8 tokens."}, ContextExceeded, True),
    (400, {"message": "This exceeds the context window of this model."}, ContextExceeded, True),
    (400, {"message": "flagged", "code": "content_policy_violation"}, ContentRefused, False),
    (400, {"message": "flagged", "code": "content_filter", "param": "prompt"}, ContentRefused, False),
    (400, {"message": "flagged", "code": "invalid_prompt"}, ContentRefused, False),
    (403, {"message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}, ContentRefused, False),
    (401, {"message": "Incorrect API key provided: sk-canary"}, UpstreamRefusedUs, True),
    (402, {"message": "pay"}, UpstreamRefusedUs, True),
    (403, {"message": "country"}, UpstreamRefusedUs, True),
    (404, {"message": "no such model"}, UpstreamNotFound, True),
    (408, {"message": "slow"}, UpstreamUnavailable, True),
    (409, {"message": "conflict"}, UpstreamRejected, False),
    (413, {"message": "large"}, UpstreamRejected, False),
    (415, {"message": "type"}, UpstreamRejected, False),
    (422, {"message": "no"}, UpstreamRejected, False),
    (429, {"message": "slow down"}, UpstreamRateLimited, True),
    (429, {"message": "quota", "code": "insufficient_quota"}, UpstreamRefusedUs, True),
    (429, {"message": "quota", "type": "insufficient_quota"}, UpstreamRefusedUs, True),
    (429, {"message": "quota", "code": "billing_hard_limit_reached"}, UpstreamRefusedUs, True),
    (500, {"message": "oops"}, UpstreamUnavailable, True),
    (502, {"message": "oops"}, UpstreamUnavailable, True),
    (503, {"message": "overloaded"}, UpstreamUnavailable, True),
    (504, {"message": "slow"}, UpstreamUnavailable, True),
    (529, {"message": "overloaded"}, UpstreamUnavailable, True),
    (301, {"message": "moved"}, UpstreamError, True),
    (307, {"message": "moved"}, UpstreamError, True),
]


@pytest.mark.parametrize(("status", "error", "kind", "can_fail_over"), TABLE)
def test_each_refusal_has_its_meaning(status: int, error: Any, kind: type[GatewayError], can_fail_over: bool) -> None:
    found = meaning(status, error)
    assert (type(found), found.can_fail_over) == (kind, can_fail_over)


def test_the_clients_mistake_is_told_in_the_vendors_words_with_its_field() -> None:
    found = meaning(400, {"message": "'top_p' is odd", "param": "top_p"})
    assert (found.message, found.param, found.blame) == ("'top_p' is odd", "top_p", "client")
    assert meaning(400, {"message": "x", "param": ["a"]}).param is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_quoted(status: int) -> None:
    """Pain 40: the text may show parts of it."""
    assert "canary" not in meaning(status, {"message": "Incorrect API key provided: sk-canary"}).message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_what_to_correct(status: int) -> None:
    assert "base_url" in meaning(status).message


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e999"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 -0000", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_vendor_asks_for_is_kept(status: int, headers: dict[str, str], wait_s: float | None) -> None:
    """Pain 20."""
    assert meaning(status, headers=headers).retry_after_s == wait_s


BODIES = [
    (b"", "without a message"),
    (b"<html><h1>502 Bad Gateway</h1></html>", "without a message"),
    (b'{"error": "plain"}', "plain"),
    (b'{"message": "flat", "code": 400}', "flat"),
    (b'[{"error": {"message": "listed"}}]', "listed"),
    (b"[]", "without a message"),
    (b'"text"', "without a message"),
    (b'{"error": null}', "without a message"),
    (b'{"error": {"message": null}}', "without a message"),
    (b'{"error": {"message": {"a": 1}}}', "{'a': 1}"),
    (b'{"err', "without a message"),
    (b"\xff\xfe", "without a message"),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_a_body_of_any_shape_has_a_meaning(body: bytes, expected: str) -> None:
    assert expected in meaning(400, body=body).message


def test_a_message_is_quoted_to_a_bound() -> None:
    assert len(meaning(400, {"message": "x" * 100_000}).message) == 2000


@given(
    st.integers(300, 599),
    JSON,
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(max_size=12)),
)
def test_no_refusal_is_a_fault_of_ours(status: int, value: Any, headers: dict[str, str]) -> None:
    for error in (value, {"message": value, "code": value, "type": value, "param": value}):
        for body in (error, {"error": error}, [{"error": error}]):
            found = meaning(status, headers=headers, body=orjson.dumps(body))
            assert isinstance(found, UpstreamError)
            assert isinstance(found.message, str)
            assert isinstance(found.param, str | None)
