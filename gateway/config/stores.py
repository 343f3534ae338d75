"""The `stores` section of routes.yaml compiled."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway.config.document import Section

SCHEMES = ("redis", "rediss", "unix")


def compile_redis_url(section: Section) -> str:
    """Return the URL of the Redis that processes share, "" for none. Its password is never shown."""
    url = section.value
    if not isinstance(url, str) or not url:
        return ""
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        is_sound = is_sound and (parts.scheme == "unix" or parts.port != 0)
    except ValueError:  # a port that is no number up to 65535
        is_sound = False
    if not is_sound:
        section.error("redis_url is no address of a Redis; write redis://host:6379/0, rediss://… or unix:///path")
    elif find_spec("redis") is None:
        section.error("redis_url needs the package redis; install it: pip install 'ai-service-gateway[redis]'")
    return url
