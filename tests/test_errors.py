"""Every error has a status, a stable code and somebody to blame, and can be written in every dialect."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from gateway import errors, sse
from gateway.dialects import DIALECTS
from gateway.errors import ConfigError, GatewayError, InvalidRequest, MethodNotAllowed, Problem, TooLarge


def kinds(base: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__ and kind not in (ConfigError, MethodNotAllowed):
            yield kind
        yield from kinds(kind)


KINDS = list(dict.fromkeys(kinds()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_what_it_is(kind: type[GatewayError]) -> None:
    error = kind("no cheese", param="cheese", retry_after_s=3)
    assert (str(error), error.message, error.param, error.retry_after_s) == ("no cheese", "no cheese", "cheese", 3)
    assert 400 <= error.status < 600
    assert error.code == error.code.lower().replace(" ", "_")
    assert error.blame in ("client", "gateway", "upstream")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_clients_own_mistake_goes_to_no_other_target(kind: type[GatewayError]) -> None:
    if issubclass(kind, errors.ClientError):
        assert (kind.can_fail_over, kind.blame) == (False, "client")
        assert kind.status < 500 or kind.code == "loop_detected"


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("text", ["plain", "\udcff", "a\nb\r\n\r\ndata: x", '"', "語😀", "\0", "x" * 10_000])
def test_every_dialect_can_write_every_error(name: str, started: bool, text: str) -> None:
    """Bytes of a client that are no UTF-8 are read as surrogates."""
    error = TooLarge(f"field {text} is too large", param=text)
    raw = DIALECTS[name].encode_error(error, "request-1", started=started)
    assert raw or started  # a stream may have said it itself
    if not raw:
        return
    data = sse.parse(raw).data if raw.startswith((b"data:", b"event:")) else raw
    orjson.loads(data)


def test_problems_of_a_configuration_are_told_in_their_order() -> None:
    error = ConfigError([Problem("b.yaml", 2, 1, "b"), Problem("a.yaml", 9, 1, "a"), Problem("a.yaml", 1, 5, "c")])
    assert error.message.splitlines() == ["a.yaml:1:5: c", "a.yaml:9:1: a", "b.yaml:2:1: b"]


def test_what_may_be_asked_instead_is_told() -> None:
    assert MethodNotAllowed("no", allow=["GET", "HEAD"]).allow == ("GET", "HEAD")
    assert InvalidRequest("no").param is None
