"""The list of voices: a vendor's own names are no logical ones, and language and gender of its voices are told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.voices import list_voices, speakers
from gateway.types import VoiceCard
from tests.plugins.spoken import OPENAI_VOICES, ROWS

EVERYWHERE = {*OPENAI_VOICES, "narrator", "man", "woman"}
ROUTES = """
version: 1
keys: {anonymous: loopback}
voices: %s
routes:
  - {path: /tts/voices, dialect: native.voices}
"""


def listed(
    folder: Path, *providers: str, voices: str = "{}", language: str | None = None
) -> tuple[Mapping[str, VoiceCard], Mapping[tuple[str, str], VoiceCard]]:
    """Return the logical voices by name, and the vendors' own by provider and name."""
    rows = "\n".join(f"  {name}:{ROWS[name]}" for name in providers)
    (folder / "providers.yaml").write_text(f"version: 1\nproviders:\n{rows}\n")
    (folder / "routes.yaml").write_text(ROUTES % voices)
    config = load(folder, {})
    cards = list_voices(config, speakers(config, ""), language)
    own = {(next(iter(card.providers)), card.id): card for card in cards if not card.is_logical}
    logical = {card.id: card for card in cards if card.is_logical}
    assert len(cards) == len(own) + len(logical)
    return logical, own


@pytest.mark.parametrize("provider", ["openai", "google-tts", "polly", "deepgram", "elevenlabs"])
def test_a_vendors_own_names_are_no_logical_voices(tmp_path: Path, provider: str) -> None:
    logical, own = listed(tmp_path, provider)
    assert set(OPENAI_VOICES) <= set(logical) <= EVERYWHERE
    assert not {name for _, name in own} & set(logical)


def test_this_machines_voices_are_its_own_but_for_what_no_language_is_called(tmp_path: Path) -> None:
    logical, own = listed(tmp_path, "local-tts")
    assert set(logical) == EVERYWHERE - {"narrator"} | {"whisper", "robot"}
    assert ("local-tts", "de") in own


def test_all_vendors_together_share_the_logical_ones(tmp_path: Path) -> None:
    logical, own = listed(tmp_path, "openai", "google-tts", "polly", "deepgram", "elevenlabs")
    assert set(logical) == EVERYWHERE
    assert dict(logical["nova"].providers) == {
        "openai": "nova",
        "google-tts": "en-US-Chirp3-HD-Kore",
        "polly": "Joanna",
        "deepgram": "aura-2-thalia-en",
        "elevenlabs": "EXAVITQu4vr4xnSDxMaL",
    }
    names = {("polly", "Joanna"), ("deepgram", "aura-2-thalia-en"), ("google-tts", "en-US-Chirp3-HD-Kore")}
    assert names < set(own)


def test_a_name_that_the_operator_gives_is_logical_whatever_it_is(tmp_path: Path) -> None:
    voices = "{Joanna: {polly: Joanna, deepgram: hera}, thalia: {deepgram: thalia}}"
    logical, own = listed(tmp_path, "polly", "deepgram", voices=voices)
    assert set(logical) == EVERYWHERE | {"Joanna", "thalia"}
    assert dict(logical["Joanna"].providers) == {"polly": "Joanna", "deepgram": "hera"}
    assert ("polly", "Joanna") not in own  # said once


@pytest.mark.parametrize(
    ("provider", "name", "language", "gender"),
    [
        ("google-tts", "en-US-Chirp3-HD-Kore", "en-US", "female"),
        ("google-tts", "en-US-Neural2-D", "en-US", "male"),
        ("polly", "Joanna", "en-US", "female"),
        ("polly", "Hans", "de-DE", "male"),
        ("deepgram", "aura-2-thalia-en", "en", "female"),
        ("deepgram", "aura-zeus-en", "en", "male"),
        ("deepgram", "aura-2-viktoria-de", "de", None),
        ("elevenlabs", "EXAVITQu4vr4xnSDxMaL", "en", "female"),
    ],
)
def test_language_and_gender_are_told(
    tmp_path: Path, provider: str, name: str, language: str, gender: str | None
) -> None:
    fact = listed(tmp_path, provider)[1][provider, name].fact
    assert (fact.language, fact.gender) == (language, gender)


@pytest.mark.parametrize("provider", ["google-tts", "polly", "deepgram", "elevenlabs", "local-tts"])
def test_every_voice_that_a_plugin_maps_has_a_language(tmp_path: Path, provider: str) -> None:
    logical, own = listed(tmp_path, provider)
    assert {card.id for card in (*logical.values(), *own.values()) if card.fact.language is None} == set()


@pytest.mark.parametrize(
    ("language", "names"), [("de", {"aura-2-lara-de", "Vicki", "Hannah"}), ("de-AT", {"Hannah"}), ("de_at", {"Hannah"})]
)
def test_a_language_keeps_those_that_speak_it(tmp_path: Path, language: str, names: set[str]) -> None:
    logical, own = listed(tmp_path, "polly", "deepgram", language=language)
    assert logical == {}
    assert names <= {name for _, name in own}
    assert (("polly", "Marlene") in own) == (language == "de")
