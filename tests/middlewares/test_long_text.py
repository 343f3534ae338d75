"""For whom a text is cut, and when it is not: the operator's order, strategies, conditions, limits in any unit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.audio.answer import audio_format
from gateway.errors import InvalidRequest
from gateway.middlewares.long_text import FAIR_CHARS, able, first_cut, shorter_cut
from gateway.types import Call, Choice, Place, Size, Speech, Target, When
from tests.given import speech_call, target

FORM = audio_format("mp3", 24_000)
TEXT = "One two three four five. " * 200  # 5,000 characters


def speaker(name: str, most: int | None, **more: object) -> Target:
    row = {"operation": "speech", "max_chars": most, "voices": {"nova": "n"}} | more
    return target(f"{name}/m", **row)  # type: ignore[arg-type]


def asked(*targets: Target, text: str = TEXT) -> Call:
    return speech_call(text, targets=targets)


def texts(calls: list[Call]) -> list[str]:
    return [call.body.text for call in calls if isinstance(call.body, Speech)]


def longest(calls: list[Call]) -> int:
    return max(map(len, texts(calls)))


def test_what_the_first_target_takes_is_not_cut() -> None:
    found = able(asked(speaker("a", 5_000), speaker("b", 2_000)), FORM)
    assert found.is_whole_first
    assert [each.name for each in found.in_parts] == ["b/m"]


def test_the_operators_order_stays_although_a_later_one_takes_the_whole() -> None:
    call = asked(speaker("a", 4_999), speaker("b", None))
    found = able(call, FORM)
    assert not found.is_whole_first
    calls = first_cut(call, found, FORM)
    assert "".join(texts(calls)) == TEXT
    assert 2_000 < longest(calls) <= 4_000
    assert [[each.name for each in part.targets] for part in calls] == [["a/m", "b/m"]] * len(calls)


@pytest.mark.parametrize(("other", "most"), [(FAIR_CHARS, FAIR_CHARS), (FAIR_CHARS - 1, 3_200)])
def test_it_is_cut_for_those_too_for_whom_that_costs_little(other: int, most: int) -> None:
    call = asked(speaker("a", 4_500), speaker("b", other))
    assert most - 25 <= longest(first_cut(call, able(call, FORM), FORM)) <= most


def test_a_strategy_has_parts_that_fit_all() -> None:
    place = Place(Choice("speak", "cheapest"), "a/m")
    call = asked(speaker("a", None, place=place), speaker("b", 300, place=place))
    found = able(call, FORM)
    assert not found.is_whole_first
    assert longest(first_cut(call, found, FORM)) <= 300


def test_who_could_not_speak_a_word_of_it_is_no_reason_to_cut() -> None:
    mute = replace(speaker("b", 100), voices={})
    found = able(asked(speaker("a", 5_000), mute), FORM)
    assert found.in_parts == ()


def test_a_condition_on_the_length_is_one_on_the_whole() -> None:
    place = Place(Choice("speak", "priority"), "a/m", when=When(sizes=(Size("chars", 1_000, 10_000),)))
    call = asked(speaker("a", 2_000, place=place))
    calls = first_cut(call, able(call, FORM), FORM)
    assert all(part.targets[0].place is not None and part.targets[0].place.when is None for part in calls)
    short = asked(speaker("a", 500, place=place), text="One two three. " * 50)
    assert able(short, FORM).targets == ()


def test_a_limit_of_bytes_is_held() -> None:
    call = asked(speaker("a", None, max_bytes=1_000), text="今天天气很好。" * 300)
    calls = first_cut(call, able(call, FORM), FORM)
    assert max(len(text.encode()) for text in texts(calls)) <= 1_000


def test_a_part_is_cut_anew_for_those_that_take_less() -> None:
    call = asked(speaker("a", 4_500), speaker("b", 300))
    part = max(first_cut(call, able(call, FORM), FORM), key=lambda each: len(texts([each])[0]))
    smaller = shorter_cut(part, FORM)
    assert smaller is not None
    assert longest(smaller) <= 300
    assert "".join(texts(smaller)) == texts([part])[0]
    assert {each.name for one in smaller for each in one.targets} == {"b/m"}
    assert shorter_cut(smaller[0], FORM) is None


def test_a_part_is_samples_and_waits_for_nobodys_beginning_but_the_first() -> None:
    call = replace(asked(speaker("a", 1_000)), content_by_s=5.0)
    calls = first_cut(call, able(call, FORM), FORM)
    assert {(part.body.format, part.body.sample_rate_hz) for part in calls if isinstance(part.body, Speech)} == {
        ("pcm", 24_000)
    }
    assert [part.content_by_s for part in calls[:2]] == [5.0, float("inf")]
    assert all(part.is_part for part in calls)
    assert len({part.raw for part in calls}) == len({*texts(calls)})


def test_an_element_that_is_too_long_for_the_first_goes_to_who_takes_it() -> None:
    ssml = f"<speak><p>{'One two. ' * 300}</p><p>Three.</p></speak>"
    call = asked(speaker("a", 1_500), speaker("b", 2_730), text=ssml)
    assert isinstance(call.body, Speech)
    call = replace(call, body=replace(call.body, is_ssml=True))
    calls = first_cut(call, able(call, FORM), FORM)
    assert len(calls) == 2
    with pytest.raises(InvalidRequest, match="too long for a/m"):
        first_cut(replace(call, targets=call.targets[:1]), able(replace(call, targets=call.targets[:1]), FORM), FORM)
