"""Which addresses keys are fetched from."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_https(url: str) -> bool:
    return _scheme(url) == "https"


def is_fetchable(url: str) -> bool:
    """Return whether nobody on the way can change what comes from there: https, or http on this machine."""
    scheme = _scheme(url)
    return scheme == "https" or (scheme == "http" and _is_loopback(urlsplit(url).hostname or ""))


def _scheme(url: str) -> str:
    """Return the scheme of an address that is sound and holds no credentials, else ""."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        is_sound = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number up to 65535, half of an address in brackets
        return ""
    return parts.scheme if is_sound and "@" not in parts.netloc and "#" not in url else ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
