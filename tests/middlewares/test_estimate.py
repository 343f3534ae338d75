"""Money is exact, in integers; estimates are upper where they are reserved and plain where a vendor did not report."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.middlewares.estimate import (
    BYTES_PER_TOKEN,
    IMAGE_TOKENS,
    RESERVED_AUDIO_S,
    RESERVED_OUTPUT_TOKENS,
    cost_nano_usd,
    estimated_units,
    input_tokens,
    upper_cost,
)
from gateway.types import (
    NANO_USD,
    Audio,
    Chat,
    Embeddings,
    Image,
    Message,
    Part,
    Price,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Units,
)
from tests.given import HELLO, call, recording_call, speech_call, target

TOKENS = st.integers(0, 10**9)
RATE = st.none() | st.integers(0, 10**14)  # up to 100,000 USD a million


def exact(units: Units, price: Price) -> Fraction:
    """The same by fractions, from what the words mean."""
    plain = units.input_tokens - units.cached_input_tokens - units.cache_write_tokens
    million = 10**6
    base = price.input_per_mtok or 0
    cached = base if price.cached_input_per_mtok is None else price.cached_input_per_mtok
    written = base if price.cache_write_per_mtok is None else price.cache_write_per_mtok
    return (
        Fraction(max(0, plain) * base, million)
        + Fraction(units.cached_input_tokens * cached, million)
        + Fraction(units.cache_write_tokens * written, million)
        + Fraction(units.output_tokens * (price.output_per_mtok or 0), million)
        + Fraction(units.characters * (price.per_mchar or 0), million)
        + Fraction(round(units.audio_seconds * 1000), 60_000) * (price.per_audio_minute or 0)
        + (price.per_request or 0)
    )


@given(
    st.builds(
        Units, TOKENS, TOKENS, TOKENS, TOKENS, characters=TOKENS, audio_seconds=st.floats(0, 1e6, allow_nan=False)
    ),
    st.builds(Price, RATE, RATE, RATE, RATE, RATE, RATE, RATE),
)
def test_a_charge_is_exact_to_the_nano_dollar(units: Units, price: Price) -> None:
    charge = cost_nano_usd(units, price)
    assert type(charge) is int
    assert charge == int(exact(units, price) + Fraction(1, 2))


@pytest.mark.parametrize(
    ("tokens", "charge"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (1_000_000, 250_000)]
)
def test_half_a_nano_dollar_is_rounded_up_once(tokens: int, charge: int) -> None:
    assert cost_nano_usd(Units(tokens), Price(input_per_mtok=250_000)) == charge


def test_list_prices_come_out_as_the_lists_say() -> None:
    gpt = Price(750_000_000, 75_000_000, None, 4_500_000_000)
    assert cost_nano_usd(Units(1_000_000, output_tokens=1_000_000), gpt) == 5_250_000_000  # 0.75 + 4.50 USD
    assert cost_nano_usd(Units(1_000_000, cached_input_tokens=1_000_000), gpt) == 75_000_000
    assert cost_nano_usd(Units(characters=1_000_000), Price(per_mchar=15 * NANO_USD)) == 15 * NANO_USD
    assert cost_nano_usd(Units(audio_seconds=90), Price(per_audio_minute=6_000_000)) == 9_000_000


def test_reasoning_is_part_of_the_output_and_not_paid_twice() -> None:
    price = Price(output_per_mtok=1_000_000)
    assert cost_nano_usd(Units(output_tokens=10, reasoning_tokens=9), price) == 10


def test_no_price_costs_nothing() -> None:
    assert cost_nano_usd(Units(10, 5, 5, 10, 5, 10, 5.5), Price()) == 0


# ---------------------------------------------------------------- what is reserved

DOLLAR = Price(input_per_mtok=10**6, output_per_mtok=10**6, per_mchar=10**6, per_audio_minute=60)  # a nano a unit


def test_the_dearest_target_counts() -> None:
    cheap, dear = target("a/m", price=Price(per_request=1)), target("b/m", price=Price(per_request=9))
    assert upper_cost(call(targets=(cheap, dear, target("c/m")))) == 9
    assert upper_cost(call(targets=(target("c/m"),))) == 0
    assert upper_cost(call()) == 0


@pytest.mark.parametrize(
    ("asked", "row", "n", "reserved"),
    [
        (50, None, 1, 50),
        (50, 99, 1, 50),
        (None, 99, 1, 99),
        (None, None, 1, RESERVED_OUTPUT_TOKENS),
        (50, None, 4, 200),
    ],
)
def test_a_chats_output_is_reserved_by_what_bounds_it(
    asked: int | None, row: int | None, n: int, reserved: int
) -> None:
    chat = Chat(HELLO.messages, max_output_tokens=asked, n=n)
    at = target(price=DOLLAR, max_output_tokens=row)
    assert upper_cost(call(chat, targets=(at,))) == reserved + input_tokens(chat)


def test_speech_is_reserved_by_its_characters() -> None:
    assert upper_cost(speech_call("äöü語", targets=(target(price=DOLLAR),))) == 4


@pytest.mark.parametrize(("duration_s", "reserved"), [(12.0, 12), (None, int(RESERVED_AUDIO_S))])
def test_a_recording_is_reserved_by_its_length(duration_s: float | None, reserved: int) -> None:
    asked = recording_call(recording={"duration_s": duration_s}, targets=(target(price=DOLLAR),))
    assert upper_cost(asked) == reserved


def test_embeddings_are_reserved_by_their_texts_and_tokens() -> None:
    body = Embeddings(("x" * 40, (1, 2, 3), "y"))
    assert upper_cost(call(body, operation="embeddings", targets=(target(price=DOLLAR),))) == 10 + 3 + 1


# ---------------------------------------------------------------- what is estimated


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (3, 1), (4, 1), (5, 2), (4000, 1000)])
def test_a_text_has_a_token_for_every_four_bytes_begun(size: int, tokens: int) -> None:
    assert BYTES_PER_TOKEN == 4
    assert input_tokens(Chat((Message("user", (Text("x" * size),)),))) == tokens + 4


@pytest.mark.parametrize(
    "part",
    [
        Text("語" * 40),
        ToolUse("id", "name", '{"a": "' + "x" * 40 + '"}'),
        ToolResult("id", (Text("x" * 40), Image(url="http://x"))),
        Image(url="http://x"),
        Audio("wav", "A" * 4000),
        Thinking("x" * 40, signature="s"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_kind_of_part_counts(part: Part) -> None:
    assert input_tokens(Chat((Message("user", (part,)),))) > 10


def test_an_image_counts_as_one_however_it_is_sent() -> None:
    for image in (Image(url="http://x"), Image("image/png", "A" * 100_000)):
        assert input_tokens(Chat((Message("user", (image,)),))) == IMAGE_TOKENS + 4


def test_tools_are_part_of_the_input() -> None:
    tool = Tool("weather", "What is it like?", {"type": "object", "properties": {"city": {"type": "string"}}})
    assert input_tokens(Chat(HELLO.messages, tools=(tool,))) > input_tokens(HELLO) + 15


@pytest.mark.parametrize(("is_streamed", "output"), [(True, 7), (False, 25)])
def test_a_chats_output_is_estimated_by_what_was_seen(is_streamed: bool, output: int) -> None:
    units = estimated_units(call(stream=is_streamed), content_events=7, content_bytes=100)
    assert units == Units(input_tokens=input_tokens(HELLO), output_tokens=output)


def test_other_operations_are_estimated_by_their_input() -> None:
    assert estimated_units(speech_call("abc"), 9, 900) == Units(characters=3)
    assert estimated_units(recording_call(recording={"duration_s": 2.5}), 1, 10) == Units(audio_seconds=2.5)
    embedding = call(Embeddings(("abcd",)), operation="embeddings")
    assert estimated_units(embedding, 0, 0) == Units(input_tokens=1)
