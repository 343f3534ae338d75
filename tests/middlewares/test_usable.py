"""Can this target serve this call: decided from the call and the target's row, before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import InvalidRequest, UnsupportedByTarget
from gateway.middlewares.estimate import input_of
from gateway.middlewares.usable import Refusal, error, refuse, split
from gateway.types import Call, Chat, Choice, Message, Place, Recording, Speech, Target, Text, When
from tests.given import call, plain_plugin, recording_call, speech_call, target

VOICES = {"nova": "Joanna"}


def speaking(**row: object) -> Target:
    return target("a/m", operation="speech", voices=VOICES, **row)  # type: ignore[arg-type]


@pytest.mark.parametrize(("length", "is_usable"), [(9, True), (10, True), (11, False)])
def test_a_text_is_taken_up_to_the_models_characters(length: int, is_usable: bool) -> None:
    found = refuse(speech_call("ä" * length), speaking(max_chars=10))
    assert (found is None) == is_usable
    if found is not None:
        assert found == Refusal("a/m", "input", "takes at most 10 characters, not 11")


@pytest.mark.parametrize(("formats", "is_usable"), [(set(), True), ({"mp3"}, True), ({"wav", "pcm"}, False)])
def test_a_format_is_one_that_the_model_has(formats: set[str], is_usable: bool) -> None:
    """Pain 3."""
    found = refuse(speech_call(format="mp3"), speaking(formats=frozenset(formats)))
    assert (found is None) == is_usable
    if found is not None:
        assert found == Refusal("a/m", "response_format", "has no format mp3; it has pcm, wav")


@pytest.mark.parametrize(("voice", "is_usable"), [("nova", True), ("Joanna", False), ("", False), ("x" * 500, False)])
def test_a_voice_is_one_that_the_target_has_a_name_for(voice: str, is_usable: bool) -> None:
    """Pain 2."""
    found = refuse(speech_call(voice=voice), speaking())
    assert (found is None) == is_usable
    if found is not None:
        assert found.param == "voice"
        assert len(found.reason) < 100


@pytest.mark.parametrize(("limit", "is_usable"), [(3, False), (4, True), (5, True), (None, True)])
def test_a_recording_is_taken_up_to_the_models_bytes(limit: int | None, is_usable: bool) -> None:
    found = refuse(recording_call(b"RIFF"), target("a/m", max_upload_bytes=limit))
    assert (found is None) == is_usable
    if found is not None:
        assert found == Refusal("a/m", "file", "takes at most 3 bytes, not 4")


@pytest.mark.parametrize(("containers", "is_usable"), [(set(), True), ({"wav"}, True), ({"mp3", "flac"}, False)])
def test_a_container_is_one_that_the_model_takes(containers: set[str], is_usable: bool) -> None:
    found = refuse(recording_call(), target("a/m", containers=frozenset(containers)))
    assert (found is None) == is_usable
    if found is not None:
        assert found == Refusal("a/m", "file", "does not take wav; it takes flac, mp3")


@pytest.mark.parametrize("asked", [call(), speech_call(), recording_call()], ids=["chat", "speech", "recording"])
def test_the_plugin_has_the_last_word(asked: object) -> None:
    at = target("a/m", plugin=plain_plugin(refusal="takes no cheese"), voices=VOICES)
    assert refuse(asked, at) == Refusal("a/m", None, "takes no cheese")  # type: ignore[arg-type]


def test_the_usable_targets_keep_their_order_and_the_others_say_why() -> None:
    mute, first, second = target("mute/m"), speaking(), replace(speaking(max_chars=1000))
    asked = speech_call(targets=(second, mute, first))
    usable, refused = split(asked)
    assert usable == [second, first]
    assert refused == [Refusal("mute/m", "voice", "has no voice 'nova'")]


def test_a_voice_that_nobody_has_is_the_clients_mistake_and_he_is_told_which_there_are() -> None:
    asked = speech_call(voice="vona", targets=(speaking(),))
    found = error(asked, split(asked)[1])
    assert isinstance(found, InvalidRequest)
    assert found.param == "voice"
    assert "nova" in found.message


def test_different_reasons_are_all_told() -> None:
    asked = speech_call("ä" * 11, targets=(speaking(max_chars=10), target("b/m")))
    found = error(asked, split(asked)[1])
    assert isinstance(found, UnsupportedByTarget)
    assert found.param is None
    assert "a/m takes at most 10 characters, not 11; b/m has no voice" in found.message


def test_one_reason_names_its_field() -> None:
    asked = speech_call("ä" * 11, targets=(speaking(max_chars=10), speaking(max_chars=9)))
    assert error(asked, split(asked)[1]).param == "input"
    assert isinstance(asked.body, Speech)
    heard = recording_call(targets=(target("a/m", max_upload_bytes=1),))
    assert error(heard, split(heard)[1]).param == "file"
    assert isinstance(heard.body, Recording)


# ---------------------------------------------------------------- room for a text


def long_chat(*context_tokens: int | None, most: int | None = None) -> tuple[Call, int]:
    """Return a chat for targets with so much room each, and about how many tokens its input has."""
    targets = tuple(target(f"{name}/m", context_tokens=room) for name, room in zip("abc", context_tokens, strict=False))
    asked = call(Chat((Message("user", (Text("word " * 500),)),), max_output_tokens=most), targets=targets)
    given = input_of(asked)
    assert given is not None
    return asked, given.tokens()


def test_a_text_goes_to_those_that_have_room_for_it_and_for_its_answer() -> None:
    _, needed = long_chat(None)
    for room, is_usable in ((needed + 100, True), (needed + 99, False), (needed - 50, False)):
        asked, _ = long_chat(room, None, most=100)
        usable, refused = split(asked)
        assert [each.name for each in usable] == (["a/m", "b/m"] if is_usable else ["b/m"])
        if not is_usable:
            assert refused == [
                Refusal("a/m", "messages", f"holds {room} tokens; this needs about {needed + 100}"),
            ]


def test_where_nobody_is_sure_to_have_room_all_are_asked() -> None:
    """What is surely too long is refused by each; an estimate is not sure."""
    _, needed = long_chat(None)
    for rooms in ((needed - 50, needed - 1), (needed - 50,), (None, None)):
        asked, _ = long_chat(*rooms)
        usable, refused = split(asked)
        assert (len(usable), refused) == (len(rooms), [])


def test_a_condition_that_does_not_hold_is_told_as_a_reason_is() -> None:
    when = When(operations=frozenset({"tokens"}))
    at = target("a/m", place=Place(Choice("fast"), "a/m", when=when))
    asked = call(targets=(at,))
    found = refuse(asked, at)
    assert found == Refusal("a/m", None, "is for tokens only")
    assert (error(asked, [found]).status, UnsupportedByTarget.status) == (400, 400)


def test_where_waiting_helps_the_error_says_so() -> None:
    at = target("a/m")
    asked = call(targets=(at,))
    late = Refusal("a/m", None, "is asked 09:00-10:00 UTC only", is_passing=True)
    found = error(asked, [Refusal("b/m", "tools", "takes no tools"), late])
    assert found.status == 503
    assert "b/m takes no tools; a/m is asked 09:00-10:00 UTC only" in found.message
