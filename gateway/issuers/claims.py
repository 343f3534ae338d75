"""What the claims of a verified token make of its bearer. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.config.model import Issuer
from gateway.errors import PermissionDenied, Unauthenticated
from gateway.types import Client, KeyRole, Scopes

MAX_NAME_CHARS = 255  # of `sub`, OpenID Connect Core 1.0, section 2
_END_OF_TIME = 253_402_300_800  # the year 10000, which no date can show
_RANKED: tuple[KeyRole, ...] = ("admin", "operator", "user")
# A space would end a name among the limits' subjects, a line break in a log.
_PLAIN = "!$'()*+,-./:;=@_|~"


def check_claims(issuer: Issuer, claims: Mapping[str, Any], now: float) -> float:
    """Return until when a token with these claims is good. Raises Unauthenticated where it is not, or not for us."""
    if claims.get("iss") != issuer.url:
        raise Unauthenticated("the token is of another issuer (iss)")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in issuer.audience for name in named):
        raise Unauthenticated("the token is for another audience (aud); have one made for this gateway")
    ends = _moment(claims, "exp")
    if ends is None:
        raise Unauthenticated("the token never ends; one with an end (exp) is needed")
    if now >= ends + issuer.leeway_s:
        raise Unauthenticated("the token has expired (exp); get another from its issuer")
    for name, fault in (("nbf", "is not valid yet"), ("iat", "was issued in the future")):
        begins = _moment(claims, name)
        if begins is not None and now < begins - issuer.leeway_s:
            raise Unauthenticated(f"the token {fault} ({name}); do the clocks agree?")
    return ends + issuer.leeway_s


def client_of(issuer: Issuer, claims: Mapping[str, Any], expires_at: float) -> Client:
    """Return whose token this is and what it is for. Raises Unauthenticated where it does not say who, PermissionDenied
    where a claim that has to say what it is for is missing or names nothing."""
    wanted = issuer.claims
    subject = _reach(claims, wanted.name)
    if not isinstance(subject, str) or not subject or len(subject) > MAX_NAME_CHARS:
        raise Unauthenticated(f"the token's claim {wanted.name!r} does not say whose it is")
    name = f"{issuer.name}:{quote(subject, safe=_PLAIN)}"
    scopes = Scopes(
        *(_scope(claims, claim) for claim in (wanted.routes, wanted.operations, wanted.models, wanted.providers))
    )
    return Client(name, _tenant(issuer, claims, name), scopes=scopes, expires_at=expires_at, role=_role(issuer, claims))


def _tenant(issuer: Issuer, claims: Mapping[str, Any], name: str) -> str:
    if not issuer.claims.tenant:
        return issuer.tenant or name
    tenant = _reach(claims, issuer.claims.tenant)
    if tenant is None and issuer.tenant:
        return issuer.tenant
    # "*" is whoever sees every tenant: a token cannot make itself that.
    if not isinstance(tenant, str) or not tenant or tenant == "*" or len(tenant) > MAX_NAME_CHARS:
        raise PermissionDenied(f"the token's claim {issuer.claims.tenant!r} names no tenant")
    return quote(tenant, safe=_PLAIN)


def _role(issuer: Issuer, claims: Mapping[str, Any]) -> KeyRole:
    value = _reach(claims, issuer.claims.role) if issuer.claims.role else None
    said = {value, *value.split()} if isinstance(value, str) else _texts(value)
    held = {issuer.roles[word] for word in said if word in issuer.roles}
    return next((role for role in _RANKED if role in held), "user")


def _scope(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """Return the part of the scopes that a claim gives. Of a key's scopes an empty part means everything, so that a
    claim which is missing or empty must not become one."""
    if not claim:
        return ()
    value = _reach(claims, claim)
    said = tuple(value.split()) if isinstance(value, str) else tuple(_texts(value))
    if not said:
        raise PermissionDenied(f"the token's claim {claim!r} has to say what it is for, and names nothing")
    return () if "*" in said else said


def _reach(claims: Mapping[str, Any], claim: str) -> Any:
    """Return a claim, None where there is none. A name with dots is one claim's before it is a way into objects."""
    if claim in claims:
        return claims[claim]
    value: Any = claims
    for step in claim.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated(f"the token's claim '{name}' is no time in seconds")
    if not 0 <= value < _END_OF_TIME:
        raise Unauthenticated(f"the token's claim '{name}' is no time of this calendar")
    return float(value)
