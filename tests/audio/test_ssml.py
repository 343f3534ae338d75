"""Text for voices, and SSML around it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio import ssml


@given(st.text())
def test_any_text_becomes_xml_that_says_it(text: str) -> None:
    spoken = ssml.speakable(text)
    root = ElementTree.fromstring(ssml.with_rate(spoken, 120, is_ssml=False))
    assert "".join(root.itertext()) == spoken.replace("\r\n", "\n").replace("\r", "\n")  # as XML reads line ends
    assert [node.tag for node in root.iter()] == ["speak", "prosody"]


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_can_be_spoken_is_as_long_and_can_be_sent(text: str) -> None:
    spoken = ssml.speakable(text)
    assert len(spoken) == len(text)
    spoken.encode()


def test_tabs_and_line_ends_stay() -> None:
    assert ssml.speakable("a\tb\nc\rd\0e\x1bf\ud800") == "a\tb\nc\rd e f "


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ("<speak>a</speak>", '<speak><prosody rate="80%">a</prosody></speak>'),
        (
            ' <speak version="1.1">a<break/></speak> ',
            '<speak version="1.1"><prosody rate="80%">a<break/></prosody></speak>',
        ),
        ('<?xml version="1.0"?>\n<speak>a</speak>', '<speak><prosody rate="80%">a</prosody></speak>'),
    ],
)
def test_a_rate_goes_between_the_tags_of_the_clients_root(document: str, wanted: str) -> None:
    assert ssml.with_rate(document, 80, is_ssml=True) == wanted


@pytest.mark.parametrize("text", ["hello", "<speak>a", "a</speak>", "<speaker>a</speaker>", "<p>a</p>", ""])
def test_ssml_without_a_root_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no SSML document"):
        ssml.with_rate(text, 80, is_ssml=True)


def test_tags_are_not_spoken() -> None:
    assert ssml.without_tags("<speak>a<break time='1s'/> b</speak>") == "a b"
