"""What a client asks of the cache for one request, as RFC 9111 has it: doubt is never less caution."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidRequest
from gateway.middlewares.wishes import Wish, wish_of


@pytest.mark.parametrize(
    ("control", "wish"),
    [
        ("", Wish()),
        ("no-store", Wish(is_unkept=True)),
        ("No-Cache", Wish(is_fresh=True)),
        ("private, no-cache", Wish(is_fresh=True)),
        ("max-age=0", Wish(is_fresh=True, max_age_s=0)),
        ("max-age=30", Wish(max_age_s=30)),
        ('max-age="30"', Wish(max_age_s=30)),
        ("max-age=60, max-age=30", Wish(max_age_s=30)),
        ("max-age", Wish(is_fresh=True, max_age_s=0)),
        ("max-age=-1", Wish(is_fresh=True, max_age_s=0)),
        ("max-age=soon", Wish(is_fresh=True, max_age_s=0)),
        ("max-age=nan", Wish(is_fresh=True, max_age_s=0)),
        ("not-no-cache, xmax-age=3", Wish()),
        ("no-cache, no-store", Wish(is_fresh=True, is_unkept=True)),
    ],
)
def test_cache_control(control: str, wish: Wish) -> None:
    assert wish_of({"cache-control": control}) == wish


@pytest.mark.parametrize(("text", "ttl_s"), [("0", 0), ("30", 30), (" 1.5 ", 1.5), ("1e3", 1000)])
def test_a_ttl(text: str, ttl_s: float) -> None:
    assert wish_of({"x-gateway-cache-ttl": text}) == Wish(ttl_s=ttl_s)


@pytest.mark.parametrize("text", ["", "-1", "1h", "inf", "nan", "1,5"])
def test_a_ttl_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match="x-gateway-cache-ttl must be a number of seconds") as raised:
        wish_of({"x-gateway-cache-ttl": text})
    assert raised.value.param == "x-gateway-cache-ttl"
