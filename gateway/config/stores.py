"""The `stores` section of routes.yaml compiled, and what `cache` says of where answers are kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config.document import Section
from gateway.config.model import CacheStores

NONE = "none"  # said where the default file names a database and there is to be none
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


def compile_cache_stores(section: Section, folder: Path, redis_url: str) -> CacheStores:
    """Return where answers are kept. A relative folder is below that of routes.yaml."""
    default = CacheStores()
    disk = section.at("disk")
    place = disk.get("folder") if isinstance(disk.value, dict) else None
    is_shared = bool(section.get("redis", False))
    if is_shared and not redis_url:
        section.at("redis").error("cache.redis shares answers in the Redis of stores.redis_url, which is not set")
    return CacheStores(
        max_bytes=int(section.get("max_bytes", default.max_bytes)),
        disk_folder=(folder / place).resolve() if place else None,
        disk_max_bytes=int(disk.get("max_bytes", default.disk_max_bytes)),
        redis_url=redis_url if is_shared else "",
    )


def compile_database_url(section: Section, folder: Path) -> str:
    """Return the URL of the ledger's database, "" for none. A relative path is below the folder of routes.yaml."""
    url = section.value
    if not isinstance(url, str) or url in ("", NONE):
        return ""
    kind, colon, path = url.partition(":")
    if kind == "sqlite" and colon and path.strip("/") and not path.endswith("/"):
        return f"sqlite:{(folder / path.removeprefix('//')).resolve()}"
    if kind not in ("postgresql", "postgres") or not _names_a_server(url):
        section.error(
            "database_url is no address of a database; write sqlite:gateway.db, sqlite:/var/lib/gateway.db or "
            "postgresql://user:password@host:5432/name"
        )
        return ""
    if find_spec("asyncpg") is None:
        section.error(
            "database_url names a PostgreSQL and needs the package asyncpg; "
            "install it: pip install 'ai-service-gateway[postgres]'"
        )
    return url


def _names_a_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and bool(parts.path.strip("/"))
    except ValueError:  # a port that is no number up to 65535, half of an address in brackets
        return False
