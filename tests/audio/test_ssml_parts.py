"""Cutting SSML: between the root's children alone, each part a document of its own."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gateway.audio.sentences import Unspeakable
from gateway.audio.ssml_parts import NotXml, ssml_parts

ROOT = '<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'


def said(document: str) -> str:
    return "".join(ElementTree.fromstring(document).itertext())


def test_elements_stay_whole_and_each_part_has_the_root() -> None:
    inner = (
        'One &amp; two. Three &lt; four? <p a=">">Five. <s>Six.</s></p >Seven. '
        "<!-- no. one. --><![CDATA[Eight. Nine.]]> "
        '<break time="1s"/>Ten. <prosody rate="slow">Eleven. Twelve.</prosody>'
    )
    document = f'<?xml version="1.0"?>\n{ROOT}{inner}</speak>\n'
    parts = ssml_parts(document, lambda part: len(part) <= len(ROOT) + 80)
    assert len(parts) > 3
    assert all(part.startswith(ROOT) for part in parts)
    assert "".join(map(said, parts)) == said(document)
    whole = ('<p a=">">Five. <s>Six.</s></p >', '<prosody rate="slow">Eleven. Twelve.</prosody>')
    assert all(any(element in part for part in parts) for element in whole)


def test_a_pause_stays_with_what_is_before_it() -> None:
    parts = ssml_parts('<speak>One. <break strength="strong"/>Two. Three.</speak>', lambda part: len(part) <= 60)
    assert parts[0] == '<speak>One. <break strength="strong"/></speak>'


def test_an_element_that_is_too_long_is_named() -> None:
    with pytest.raises(
        Unspeakable, match=r"not cut inside an element, and '<p>One\. Two\. Three\.</p>' .* end it earlier"
    ):
        ssml_parts("<speak>Hi. <p>One. Two. Three.</p></speak>", lambda part: len(part) < 30)


def test_an_entity_is_one_character() -> None:
    text = "Tom &amp; Jerry " * 10
    parts = ssml_parts(f"<speak>{text}</speak>", lambda part: len(part) <= 40)
    assert "".join(map(said, parts)) == "Tom & Jerry " * 10


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("just text", "is no XML: syntax error in line 1, column 1"),
        ("<speak>a & b</speak>", "not well-formed"),
        ("<speak><p>a</speak>", "is no XML: mismatched tag in line 1, column 14"),
        ('<!DOCTYPE speak [<!ENTITY a "aaaa">]><speak>&a;</speak>', "declares a document type"),
        ("", "no element found"),
    ],
)
def test_what_is_no_xml_is_told_with_its_place(document: str, message: str) -> None:
    with pytest.raises(NotXml, match=message):
        ssml_parts(document, lambda part: True)
