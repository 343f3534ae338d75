"""Where a request goes: the scheme, host and port of its URL, and what of it stands in the request's first line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

MAX_KEPT = 1_024  # origins are those of providers.yaml; more are read again


@dataclass(frozen=True, slots=True)
class Origin:
    is_tls: bool
    host: str  # as DNS and certificates have it
    port: int
    authority: str  # as the Host header has it, without a port that goes without saying


def split(url: str) -> tuple[Origin, str]:
    """Return the origin and the target, byte for byte as it stands. Raises ValueError where there is no such place."""
    scheme, _, rest = url.partition("://")
    rest = rest.partition("#")[0]
    authority, slash, path = rest.partition("/")
    if "?" in authority:
        authority, _, query = rest.partition("?")
        return _origin(scheme, authority), f"/?{query}"
    return _origin(scheme, authority), slash + path or "/"


@lru_cache(MAX_KEPT)
def _origin(scheme: str, authority: str) -> Origin:
    url = URL(f"{scheme}://{authority}")
    if url.scheme not in ("http", "https") or not url.raw_host or not url.port or url.raw_user is not None:
        raise ValueError("no address of a vendor")
    return Origin(url.scheme == "https", url.raw_host.rstrip("."), url.port, url.host_port_subcomponent or "")
