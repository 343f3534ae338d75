"""A URL's place and target: the target goes out byte for byte."""

from __future__ import annotations

import pytest

from gateway.upstream.origin import Origin, split


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://a.example", Origin(False, "a.example", 80, "a.example"), "/"),
        ("https://a.example/v1/x?y=%2F&z", Origin(True, "a.example", 443, "a.example"), "/v1/x?y=%2F&z"),
        ("https://A.example:8443/v1/../b//c", Origin(True, "a.example", 8443, "a.example:8443"), "/v1/../b//c"),
        ("http://[::1]:80/", Origin(False, "::1", 80, "[::1]"), "/"),
        ("http://10.0.0.1:9?a=/b", Origin(False, "10.0.0.1", 9, "10.0.0.1:9"), "/?a=/b"),
        ("https://a.example./v1#part", Origin(True, "a.example", 443, "a.example"), "/v1"),
        ("https://bücher.example/", Origin(True, "xn--bcher-kva.example", 443, "xn--bcher-kva.example"), "/"),
    ],
)
def test_a_url_is_a_place_and_a_target(url: str, origin: Origin, target: str) -> None:
    assert split(url) == (origin, target)


@pytest.mark.parametrize(
    "url", ["", "a.example/v1", "ftp://a.example/", "http:///v1", "http://a.example:99999/", "http://user@a.example/"]
)
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)address|port|host|url"):
        split(url)
