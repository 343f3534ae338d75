"""Where keys may be fetched from."""

from __future__ import annotations

import pytest

from gateway.issuers.address import is_fetchable, is_https


@pytest.mark.parametrize("url", ["https://login.example/keys", "https://login.example:8443", "https://10.0.0.1/k?a=b"])
def test_https_is_fetched_from_everywhere(url: str) -> None:
    assert is_fetchable(url)
    assert is_https(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]:1/keys"])
def test_http_is_fetched_from_this_machine(url: str) -> None:
    assert is_fetchable(url)
    assert not is_https(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.example",
        "http://login.example/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1.example/keys",
        "http://10.0.0.1/keys",
        "http://0.0.0.0/keys",
        "ftp://login.example/keys",
        "file:///etc/passwd",
        "https://",
        "https://user:password@login.example/keys",
        "https://login.example/keys#part",
        "https://login.example/a b",
        "https://login.example/\n",
        "https://login.example:0/keys",
        "https://login.example:65536/keys",
        "https://[::1/keys",
        "http://127.0.0.1\\@login.example/keys",
        "https://bücher.example/keys",
    ],
)
def test_anything_else_is_not_fetched(url: str) -> None:
    assert not is_fetchable(url)
