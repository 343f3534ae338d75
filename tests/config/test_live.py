"""`live` of a route: its limits, what is inherited, and what of other routes is not for sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.model import LiveLimits
from gateway.errors import ConfigError
from tests.live_house import SANDBOX, routes


def loaded(folder: Path, text: str) -> dict[str, LiveLimits | None]:
    (folder / "providers.yaml").write_text(SANDBOX)
    (folder / "routes.yaml").write_text(text)
    return {route.path: route.live for route in load(folder, {}).routes}


def with_route(row: str) -> str:
    return routes().replace("routes:\n", f"routes:\n  - {row}\n")


def test_a_route_of_a_live_dialect_has_limits_and_takes_get(tmp_path: Path) -> None:
    plain = routes().replace("defaults: {live: {ping_s: 20}}\n", "")
    assert loaded(tmp_path, plain)["/v1/listen"] == LiveLimits()
    own = routes("{idle_s: 5, frame_bytes: 2048}").replace(
        "openai.realtime}", "openai.realtime, live: {total_s: 9, ping_s: 0}}"
    )
    limits = loaded(tmp_path, own)
    assert limits["/v1/listen"] == LiveLimits(idle_s=5.0, frame_bytes=2048)
    assert limits["/v1/realtime"] == LiveLimits(total_s=9.0, ping_s=0.0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{path: /x, dialect: deepgram.listen_live, cache: {ttl_s: 9}}", "'cache' is not for the live sessions"),
        ("{path: /x, dialect: deepgram.listen_live, total_s: 9}", "'live: {total_s: …}' bounds a session"),
        ("{path: /x, dialect: openai.realtime, log_content: {max_chars: 9}}", "'log_content' is not for the live"),
        ("{path: /x, dialect: openai.realtime, method: POST}", "a WebSocket is connected to by GET"),
        ("{path: /x, dialect: openai.chat, live: {idle_s: 9}}", "'live' goes with dialects of live audio"),
        ("{path: /x, dialect: openai.realtime, live: {idle_s: 0}}", "idle_s"),
        ("{path: /x, dialect: openai.realtime, live: {frame_bytes: 9}}", "frame_bytes"),
        ("{path: /x, dialect: openai.realtime, live: {idle: 9}}", "idle"),
    ],
)
def test_what_does_not_go_with_sessions_is_refused_at_its_place(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, with_route(row))
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.line == 8


def test_what_defaults_say_of_answers_is_not_for_sessions(tmp_path: Path) -> None:
    more = "cache: {ttl_s: 9}, total_s: 30, failover: {hedge: {after_ms: 900}}"
    text = routes().replace("defaults: {", f"defaults: {{{more}, ")
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(text)
    for route in load(tmp_path, {}).routes:
        assert (route.cache, route.total_s, route.failover.hedge, route.is_coalesced) == (None, None, None, False)
