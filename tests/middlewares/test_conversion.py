"""What a target is asked for where it does not make what the client wants: decided by order, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.middlewares import conversion
from gateway.types import Call, Model, Provider, Speech, Target
from tests.given import call

Makes = set[tuple[str, int | None]]


def refuses(makes: Makes) -> Callable[[Call, Target], bool]:
    def refuse(call: Call, target: Target) -> bool:
        assert isinstance(call.body, Speech)
        return (call.body.format, call.body.sample_rate_hz) not in makes

    return refuse


def wish(format: str, rate_hz: int | None = None) -> Call:
    return call(Speech("Good morning.", "nova", format, sample_rate_hz=rate_hz), operation="speech")


def target(*, provider: bool = True, model: bool | None = None) -> Target:
    plugin: Any = None
    return Target(Provider("p", plugin, "", convert=provider), Model("m", "speech", convert=model))


def asked(makes: Makes, format: str = "flac", rate_hz: int | None = None) -> tuple[str, int | None] | None:
    found = conversion.plan(wish(format, rate_hz), target(), refuses(makes))
    return None if found is None else (found.asked.format, found.asked.sample_rate_hz)


def test_the_wanted_rate_is_preferred_then_higher_ones_then_lower() -> None:
    every: Makes = {("pcm", rate) for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)}
    assert asked(every) == ("pcm", 24_000)
    assert asked(every - {("pcm", 24_000)}) == ("pcm", 44_100)
    assert asked({("pcm", 8_000), ("pcm", 16_000)}) == ("pcm", 16_000)
    assert asked(every, "mp3", 16_000) == ("pcm", 16_000)


def test_what_loses_nothing_goes_before_what_is_compressed() -> None:
    assert asked({("wav", 8_000), ("mp3", None), ("opus", None)}) == ("wav", 8_000)
    assert asked({("mp3", None), ("opus", None)}) == ("mp3", None)


def test_a_rate_that_the_format_cannot_have_is_not_made() -> None:
    assert asked({("pcm", 24_000)}, "opus", 44_100) is None
    assert asked({("pcm", 24_000)}, "mp3", 17_000) is None
    assert asked({("pcm", 24_000)}, "wav", 17_000) == ("pcm", 24_000)


def test_a_header_alone_needs_no_process() -> None:
    cases: list[tuple[str, tuple[str, int | None], bool]] = [
        ("wav", ("pcm", 24_000), True),
        ("pcm", ("wav", 24_000), True),
        ("wav", ("pcm", 16_000), False),
        ("flac", ("pcm", 24_000), False),
    ]
    for format, made, is_plain in cases:
        found = conversion.plan(wish(format), target(), refuses({made}))
        assert found is not None
        assert found.is_plain is is_plain


@pytest.mark.parametrize(
    ("provider", "model", "is_allowed"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_the_models_own_word_goes_before_its_providers(provider: bool, model: bool | None, is_allowed: bool) -> None:
    at = target(provider=provider, model=model)
    assert conversion.is_allowed(at) is is_allowed
    found = conversion.plan(wish("wav"), at, refuses({("pcm", 24_000)}))
    assert (found is not None) is is_allowed


def test_without_codecs_only_samples_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "has_codecs", lambda: False)
    assert asked({("pcm", 16_000)}, "wav") == ("pcm", 16_000)
    assert asked({("pcm", 24_000)}, "mp3") is None
    assert asked({("mp3", None)}, "wav") is None
