"""G.711: both laws against the standard library's own table, in pieces and back."""

from __future__ import annotations

import sys
import warnings
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.companding import Compander, Law, expand

LAWS: tuple[Law, ...] = ("mulaw", "alaw")
EVERY_SAMPLE = array("h", range(-32_768, 32_768)).tobytes()
EVERY_CODE = bytes(range(256))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the standard library has no audioop any more")
@pytest.mark.parametrize("law", LAWS)
def test_every_sample_and_every_code_are_as_the_standard_library_has_them(law: Law) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    there, back = {"mulaw": (audioop.lin2ulaw, audioop.ulaw2lin), "alaw": (audioop.lin2alaw, audioop.alaw2lin)}[law]
    assert Compander(law).feed(EVERY_SAMPLE) == there(EVERY_SAMPLE, 2)
    assert expand(EVERY_CODE, law) == back(EVERY_CODE, 2)


@given(st.sampled_from(LAWS), st.binary(max_size=64), st.integers(0, 64))
def test_where_a_stream_is_cut_changes_nothing(law: Law, samples: bytes, at: int) -> None:
    compander = Compander(law)
    assert compander.feed(samples[:at]) + compander.feed(samples[at:]) == Compander(law).feed(samples)


@pytest.mark.parametrize("law", LAWS)
def test_what_was_made_is_near_to_what_it_was(law: Law) -> None:
    values = array("h", range(-32_000, 32_000, 7))
    back = array("h", expand(Compander(law).feed(values.tobytes()), law))
    assert all(abs(there - here) <= max(16, abs(there) / 16) for there, here in zip(values, back, strict=True))
