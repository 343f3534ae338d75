"""gateway/audio/transcript.py, segments.py and languages.py; the SDK's own models say whether the JSON is right."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose

from gateway.audio.languages import english_name
from gateway.audio.segments import from_words, segments_of
from gateway.audio.transcript import render
from gateway.types import Segment, Transcript, TranscriptFormat, Word

WORDS = (
    Word("Hello", 0.0, 0.4, "A", 0.9),
    Word("there.", 0.4, 1.3, "A", 0.7),
    Word("Bye", 2.9994, 3661.2, "B"),
)
SPOKEN = Transcript("Hello there. Bye", "en-US", 3662.5, words=WORDS)


def written(transcript: Transcript, output_format: TranscriptFormat, *granularities: str) -> str:
    return render(transcript, output_format, granularities)[1].decode()


def parsed(transcript: Transcript, output_format: TranscriptFormat, *granularities: str) -> Any:
    return json.loads(written(transcript, output_format, *granularities))


def test_json_is_the_text_and_the_seconds() -> None:
    answer = parsed(SPOKEN, "json")
    assert answer == {"text": "Hello there. Bye", "usage": {"type": "duration", "seconds": 3662.5}}
    Transcription.model_validate(answer, strict=True)
    assert parsed(Transcript("Hi"), "json") == {"text": "Hi"}


def test_text_is_a_line() -> None:
    assert render(SPOKEN, "text") == ("text/plain; charset=utf-8", b"Hello there. Bye\n")


def test_srt_numbers_its_cues_and_writes_milliseconds_after_a_comma() -> None:
    assert written(SPOKEN, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,300\nHello there.\n\n2\n00:00:02,999 --> 01:01:01,200\nBye\n"
    )


def test_vtt_has_its_header_and_names_speakers() -> None:
    assert written(SPOKEN, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.300\n<v A>Hello there.\n\n00:00:02.999 --> 01:01:01.200\n<v B>Bye\n"
    )


@pytest.mark.parametrize(
    ("granularities", "has_segments", "has_words"),
    [((), True, False), (("segment",), True, False), (("word",), False, True), (("word", "segment"), True, True)],
)
def test_verbose_json_has_the_granularities_asked_for(
    granularities: tuple[str, ...], has_segments: bool, has_words: bool
) -> None:
    answer = parsed(SPOKEN, "verbose_json", *granularities)
    assert ("segments" in answer, "words" in answer) == (has_segments, has_words)
    assert (answer["task"], answer["language"], answer["duration"]) == ("transcribe", "english", 3662.5)
    TranscriptionVerbose.model_validate(answer, strict=True)


def test_verbose_json_satisfies_the_sdk_with_nothing_known() -> None:
    answer = parsed(Transcript("Hi there"), "verbose_json", "word", "segment")
    TranscriptionVerbose.model_validate(answer, strict=True)
    assert (answer["language"], answer["duration"], answer["words"]) == ("unknown", 0.0, [])


def test_a_translation_says_so() -> None:
    assert json.loads(render(SPOKEN, "verbose_json", task="translate")[1])["task"] == "translate"


def test_diarized_json_has_a_speaker_a_segment() -> None:
    plain = Transcript("Hello there. Bye", "en", 4.0, (Segment("Hello there. Bye", 0, 4),), WORDS)
    answer = parsed(plain, "diarized_json")
    TranscriptionDiarized.model_validate(answer, strict=True)
    assert [(part["speaker"], part["text"]) for part in answer["segments"]] == [("A", "Hello there."), ("B", "Bye")]


HOSTILE = "one\n\n2\n00:00:09,000 --> 00:00:10,000\ninjected\r\n\u2028<script>&amp; NOTE\x00\x1b \ud800 end"


def test_text_cannot_add_cues_or_markup() -> None:
    hostile = Transcript(HOSTILE, "en", 2.0, (Segment(HOSTILE, 0.0, 2.0, "A>\n\n-->"),))
    srt, vtt = written(hostile, "srt"), written(hostile, "vtt")
    assert srt.count("-->") == vtt.count("-->") == 1
    assert len(srt.strip().splitlines()) == 3
    assert len(vtt.strip().splitlines()) == 4
    assert "<script>" not in vtt
    assert "\x00" not in srt + vtt
    assert "<v A&gt; --&gt;>one 2" in vtt


@pytest.mark.parametrize("output_format", get_args(TranscriptFormat))
def test_anything_is_rendered_as_utf8(output_format: TranscriptFormat) -> None:
    odd = Transcript(HOSTILE, "x\ny", float("nan"), (Segment(HOSTILE, float("inf"), -1.0, None, 7.0),), WORDS)
    for transcript in (odd, Transcript(""), Transcript("", "en", 0.0)):
        content_type, body = render(transcript, output_format, {"word", "segment"})
        assert body.decode() is not None
        if content_type == "application/json":
            json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize("output_format", ["srt", "vtt"])
def test_ffmpeg_reads_the_subtitles(tmp_path: Path, output_format: TranscriptFormat) -> None:
    file = tmp_path / f"subtitles.{output_format}"
    file.write_bytes(render(SPOKEN, output_format)[1])
    command = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0", str(file)]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert [tuple(map(float, line.rstrip(",").split(",")[:2])) for line in lines] == [
        (0.0, 1.3),
        (2.999, pytest.approx(3658.201)),
    ]


def test_segments_end_with_sentences_pauses_speakers_and_full_lines() -> None:
    def texts(*words: Word) -> list[str]:
        return [segment.text for segment in from_words(words)]

    assert texts(Word("No.", 0, 1), Word("Yes", 1, 2)) == ["No.", "Yes"]
    assert texts(Word("No”", 0, 1), Word("Yes", 1, 2)) == ["No” Yes"]
    assert texts(Word("No", 0, 1), Word("Yes", 1.8, 2)) == ["No Yes"]
    assert texts(Word("No", 0, 1), Word("Yes", 1.81, 2)) == ["No", "Yes"]
    assert texts(Word("No", 0, 1, "A"), Word("Yes", 1, 2, "B")) == ["No", "Yes"]
    assert texts(Word("No", 0, 1), Word("Yes", 1, 7.0)) == ["No Yes"]
    assert texts(Word("No", 0, 1), Word("Yes", 1, 7.1)) == ["No", "Yes"]
    assert (
        max(len(text) for text in texts(*(Word("word", at, at) for at in range(1)), *[Word("x" * 9, 0, 0)] * 50)) <= 84
    )


def test_text_alone_is_one_segment() -> None:
    assert segments_of(Transcript(" Hi \n", None, 2.0)) == (Segment("Hi", 0.0, 2.0),)
    assert segments_of(Transcript("x" * 30)) == (Segment("x" * 30, 0.0, 2.0),)
    assert segments_of(Transcript(" ")) == ()


def test_languages_have_english_names() -> None:
    names = [english_name(code) for code in ("en", "en-US", "eng", "English", "pt_BR", "cmn", "xx-YY", "", None)]
    assert names == ["english", "english", "english", "english", "portuguese", "chinese", "xx-yy", None, None]
