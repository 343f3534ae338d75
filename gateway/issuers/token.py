"""A bearer text read as a JWT, before anything of it is believed. Pure; the text appears in no message."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import json
from gateway.errors import Unauthenticated

MAX_TOKEN_BYTES = 8192  # what HTTP servers take in one header
MAX_KID_CHARS = 512

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself. `claims` are not verified."""

    text: str = field(repr=False)
    algorithm: str
    kid: str | None
    claims: Mapping[str, Any] = field(repr=False)


def parse(text: str) -> Token | None:
    """Return the token, None where the text looks like none. Raises Unauthenticated for one that nobody may believe."""
    if not _SHAPE.fullmatch(text):
        return None
    first, second, _ = text.split(".")
    header = _object(first) if len(first) <= MAX_TOKEN_BYTES else None
    if header is None:
        return None
    if len(text) > MAX_TOKEN_BYTES:
        raise Unauthenticated(f"the token has {len(text)} bytes, at most {MAX_TOKEN_BYTES} are taken")
    if "crit" in header:
        raise Unauthenticated("the token's header marks extensions as critical (crit); none is understood here")
    if str(header.get("cty", "")).lower().removeprefix("application/") == "jwt":
        raise Unauthenticated("the token holds another token; send the inner one")
    if any(_is_deep(value) for value in header.values()):
        raise Unauthenticated("the token's header holds objects; a signed token's has texts only")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise Unauthenticated("the token's header does not say by which algorithm it is signed (alg)")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARS):
        raise Unauthenticated("the token's key id (kid) is no text of a usual length")
    claims = _object(second)
    if claims is None:
        raise Unauthenticated("the token's second part is no JSON object")
    return Token(text, algorithm, kid, claims)


def _object(part: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:  # no base64, no UTF-8, no JSON, or JSON of too many levels
        return None
    return value if isinstance(value, dict) else None


def _is_deep(value: object) -> bool:
    if isinstance(value, list):  # certificates, which are not looked at
        return not all(isinstance(item, str) for item in value)
    return isinstance(value, dict)
