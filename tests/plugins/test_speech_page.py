"""docs/speech.md says which voice stands for which at each vendor, and which formats there are, as the plugins do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.plugin import load_plugin, voices_for
from gateway.types import Model
from tests.plugins.spoken import FORMATS, OPENAI_VOICES, PLUGINS

PAGE = Path(__file__).parents[2] / "docs" / "speech.md"
NAMES = (*OPENAI_VOICES, "narrator", "man", "woman")
ROWS = {"google_tts": "chirp3-hd", "polly": "neural", "deepgram": "aura-2", "elevenlabs": "eleven_flash_v2_5"}


def plugin(name: str) -> Any:
    return load_plugin(name, (PLUGINS,)).value


def voice(name: str, logical: str) -> str:
    """Return the vendor's voice in the words of the page: without what all of a family have, an id by its name."""
    own = voices_for(plugin(name), Model(ROWS[name], "speech"))[logical]
    if name == "elevenlabs":
        return str(plugin(name).voice_facts[own].description).partition(",")[0]
    return own.removeprefix("en-US-Chirp3-HD-").removeprefix("aura-2-").removesuffix("-en")


def ability(name: str) -> Any:
    import importlib

    part = {"google_tts": "request", "polly": "request"}.get(name, "speak")
    plugin(name)
    return importlib.import_module(f"plugins.{name}.{part}").ABILITY


def rates(name: str, kind: str) -> str:
    """Return the usual rate in kHz, a dash where there is no such format."""
    found = ability(name).rates_hz.get(kind)
    if found is None:
        return "–"
    usual = 24_000 if kind == "pcm" else found[0]
    return f"{usual / 1000:g}" if usual in found else f"only {', '.join(f'{rate / 1000:g}' for rate in sorted(found))}"


def lines() -> Iterator[str]:
    for logical in NAMES:
        yield f"| {logical} | {' | '.join(voice(name, logical) for name in ROWS)} |"
    for kind in FORMATS:
        yield f"| {kind} | {' | '.join(rates(name, kind) for name in ROWS)} |"
    speeds = [f"{ability(name).min_speed:g}–{ability(name).max_speed:g}" for name in ROWS]
    yield f"| `speed` | {' | '.join(speeds)} |"


@pytest.mark.parametrize("line", list(lines()))
def test_the_page_says_what_the_plugins_do(line: str) -> None:
    assert line in PAGE.read_text().splitlines()
