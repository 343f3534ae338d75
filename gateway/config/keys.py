"""The keys that YAML or the environment declares: read, checked, and kept as hashes only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.config.document import Section
from gateway.config.issuers import compile_issuers
from gateway.config.limits import compile_limit
from gateway.config.model import Key, Keys
from gateway.config.placeholder import is_placeholder
from gateway.stores.keys.terms import write_tags
from gateway.types import Scopes

MIN_SECRET_CHARS = 16  # 64 bits at the least, even where only hexadecimal digits are used

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
# `fromisoformat` alone takes weeks, dates without hyphens and times without a zone too.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_RFC_3339 = re.compile(
    rf"{_DATE.pattern}[Tt ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]+)?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})", re.ASCII
)
_WELL_KNOWN = ("", "changeme", "change-me", "secret", "password", "admin", "test", "example", "default", "sk-...")


def compile_keys(section: Section) -> Keys:
    """Return the keys of the `keys` section; each fault is reported at its place, without the secret."""
    found: list[tuple[Key, Section]] = []
    for key, place in _declared(section.at("static")):
        twin = next((other for other, _ in found if other.digest == key.digest), None)
        namesake = next((where for other, where in found if other.name == key.name), None)
        if twin is not None:
            place.error(f"the keys '{twin.name}' and '{key.name}' have the same secret; a secret belongs to one key")
        elif namesake is not None:
            place.error(f"the key '{key.name}' is given twice, first at {namesake.place()}")
        else:
            found.append((key, place))
    issuers = compile_issuers(section.at("jwt"))
    anonymous = section.get("anonymous", "never")
    is_until_keys = anonymous == "until_keys"
    if is_until_keys:
        # A proxy on this machine may say nothing of whom it serves: who gives keys means them for everybody.
        anonymous = "never" if found or issuers else "loopback"
    signing_secret = section.get("signing_secret", "")
    if signing_secret and (fault := weakness(signing_secret)):
        section.at("signing_secret").error(f"the signing secret {fault}")
    return Keys(anonymous, tuple(key for key, _ in found), is_until_keys, issuers, signing_secret)


def weakness(secret: str) -> str | None:
    """Return what is wrong with a secret that clients show, or None."""
    if not secret:
        return "is empty"
    if is_placeholder(secret):
        return "is a placeholder; make a secret: openssl rand -hex 24"
    if len(secret) < MIN_SECRET_CHARS:
        return f"has {len(secret)} characters, at least {MIN_SECRET_CHARS} are needed: openssl rand -hex 24"
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return "holds a space or a character that no HTTP header carries; use printable ASCII"
    return None


def is_well_known(digest: bytes) -> bool:
    """Return whether a SHA-256 is that of nothing, or of a secret that everybody tries first."""
    return digest in {hashlib.sha256(word.encode()).digest() for word in _WELL_KNOWN}


def _declared(static: Section) -> Iterator[tuple[Key, Section]]:
    if isinstance(static.value, str):
        entries = [entry.strip() for entry in static.value.split(",")]
        if entries == [""]:
            return
        for number, entry in enumerate(entries, start=1):
            if key := _from_text(entry, f"entry {number} of {static.show()}", static):
                yield key, static
        return
    for index, place in static.each():
        if isinstance(place.value, str):
            key = _from_text(place.value.strip(), f"key {index + 1}", place)
        else:
            key = _from_mapping(place)
        if key:
            yield key, place


def _from_text(entry: str, what: str, place: Section) -> Key | None:
    name, colon, secret = entry.partition(":")
    if not colon:
        name, secret = "", entry
    elif not _NAME.fullmatch(name):
        place.error(f"{what} is not name:secret; a name has letters, digits, '.', '_' and '-'")
        return None
    if fault := weakness(secret):
        place.error(f"{what}{f' ({name})' * bool(name)} {fault}")
        return None
    digest = hashlib.sha256(secret.encode()).digest()
    name = name or f"key-{digest.hex()[:8]}"
    return Key(name, name, digest)


def _from_mapping(place: Section) -> Key | None:
    name = place.get("name")
    if ("key" in place) == ("sha256" in place):
        place.error(f"the key '{name}' needs either 'key' or 'sha256'")
        return None
    if "key" in place:
        secret = place.get("key")
        if fault := weakness(secret):
            place.at("key").error(f"the key '{name}' {fault}")
            return None
        digest = hashlib.sha256(secret.encode()).digest()
    else:
        digest = bytes.fromhex(place.get("sha256"))
        if is_well_known(digest):
            place.at("sha256").error(f"the key '{name}' is the hash of an empty or well-known secret; make another")
            return None
    expires_at = _moment(place.at("expires")) if "expires" in place else None
    limit = compile_limit(f"key {name}", place.at("limits"))
    return Key(
        name,
        place.get("tenant", name),
        digest,
        _scopes(place),
        expires_at,
        place.get("role", "user"),
        limits=() if limit is None else (limit,),
        tags=write_tags(place.get("tags", {})),
    )


def _scopes(place: Section) -> Scopes:
    return Scopes(*(tuple(place.get(part, ())) for part in ("routes", "operations", "models", "providers")))


def moment(text: str) -> float | None:
    """Return a date, or a time with its zone, in seconds of the epoch; None where the text is neither."""
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        if _RFC_3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):  # the 30th of February; the year 0000
        pass
    return None


def _moment(place: Section) -> float | None:
    """Return a date or time in seconds of the epoch; what is neither is reported, and None then."""
    found = moment(place.value)
    if found is None:
        place.error(f"{place.show()} is no date; write YYYY-MM-DD, or a time with its zone: 2027-01-31T18:00:00Z")
    return found
