from __future__ import annotations

import sys

import pytest

from gateway.server.background import SWITCH_S, giving_way


def test_threads_give_way_sooner_as_long_as_it_holds() -> None:
    before_s = sys.getswitchinterval()
    with giving_way():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S, rel=0.01)
    assert sys.getswitchinterval() == before_s


def test_an_error_ends_it_too() -> None:
    before_s = sys.getswitchinterval()
    with pytest.raises(ValueError, match="no"), giving_way():
        raise ValueError("no")
    assert sys.getswitchinterval() == before_s
