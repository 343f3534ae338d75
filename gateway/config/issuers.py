"""The `keys.jwt` section of routes.yaml compiled: whose tokens are taken for keys."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.config.document import Section
from gateway.config.model import ClaimNames, Issuer
from gateway.config.placeholder import is_placeholder
from gateway.issuers.address import is_fetchable

PACKAGES = ("jwt", "cryptography")
DEFAULT_ALGORITHMS = ("RS256", "ES256", "EdDSA")
# RFC 7518, 3.2: a secret is at least as long as the hash.
MIN_SECRET_BYTES: Mapping[str, int] = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})
TAKEN_NAMES = ("ip",)  # "ip:" and an address is who has no key

_FIXED = ("jwks_url", "public_key", "secret")


def compile_issuers(section: Section) -> tuple[Issuer, ...]:
    """Return the issuers; each fault is reported at its place, without the secret."""
    if not section.value:
        return ()
    if any(find_spec(package) is None for package in PACKAGES):
        section.error("keys.jwt needs the package PyJWT; install it: pip install 'ai-service-gateway[jwt]'")
        return ()
    found: list[Issuer] = []
    for _, place in section.each():
        issuer = _issuer(place)
        if any(other.url == issuer.url for other in found):
            place.at("issuer").error(f"the issuer {issuer.url!r} is given twice; give it once, with all its audiences")
        elif any(other.name == issuer.name for other in found):
            place.at("issuer").error(f"two issuers are called {issuer.name!r}; give one of them another 'name'")
        found.append(issuer)
    return tuple(found)


def _issuer(place: Section) -> Issuer:
    audience = place.get("audience", ())
    issuer = Issuer(
        name=_name(place),
        url=place.get("issuer", ""),
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        algorithms=tuple(place.get("algorithms", ("HS256",) if "secret" in place else DEFAULT_ALGORITHMS)),
        jwks_url=place.get("jwks_url", ""),
        public_key=place.get("public_key", ""),
        secret=place.get("secret", "").encode(errors="surrogatepass"),
        leeway_s=place.get("leeway_s", 30),
        claims=ClaimNames(**place.get("claims", {})),
        roles=MappingProxyType(dict(place.get("roles", {}))),
        tenant=place.get("tenant", ""),
    )
    _check_source(place, issuer)
    _check_algorithms(place, issuer)
    _check_claims(place, issuer)
    return issuer


def _name(place: Section) -> str:
    name: str = place.get("name", "")
    if not name:
        try:
            name = urlsplit(place.get("issuer", "")).hostname or ""
        except ValueError:  # half of an address in brackets
            name = ""
        if not name:
            place.at("issuer").error("the issuer is no address that a name could be made of; give it a 'name'")
    if name in TAKEN_NAMES:
        place.at("name").error(f"{name!r} is what callers without a key are called; give the issuer another name")
    return name


def _check_source(place: Section, issuer: Issuer) -> None:
    given = [name for name in _FIXED if name in place]
    if len(given) > 1:
        place.at(given[1]).error(f"'{given[0]}' and '{given[1]}' exclude each other; give one of them", at_key=True)
    for name, url in (("jwks_url", issuer.jwks_url), ("issuer", "" if given else issuer.url)):
        if url and not is_fetchable(url):
            hint = "" if given else "; or give jwks_url, public_key or secret"
            place.at(name).error(f"keys are fetched by https only, or by http from this machine{hint}")
    if issuer.public_key:
        # Who has no issuers need not have PyJWT.
        from gateway.issuers.keys import read_pem

        try:
            key = read_pem(issuer.public_key)
        except ValueError as error:
            place.at("public_key").error(f"public_key {error}")
        else:
            if not key.algorithms.intersection(issuer.algorithms):
                place.at("public_key").error(
                    f"public_key is for {', '.join(sorted(key.algorithms))}, and 'algorithms' has none of them"
                )


def _check_algorithms(place: Section, issuer: Issuer) -> None:
    at = place.at("algorithms") if "algorithms" in place else place.at("secret")
    shared = [name for name in issuer.algorithms if name in MIN_SECRET_BYTES]
    if shared and len(shared) < len(issuer.algorithms):
        at.error(
            f"{shared[0]} is never accepted beside algorithms with public keys: "
            "a public key could be used as its secret; make two issuers of it"
        )
    elif shared and not issuer.secret:
        at.error(f"{shared[0]} needs 'secret'")
    elif issuer.secret and not shared:
        at.error("'secret' is for HS256, HS384 and HS512 only; with these algorithms give the issuer's public keys")
    elif issuer.secret:
        least = max(MIN_SECRET_BYTES[name] for name in shared)
        if len(issuer.secret) < least:
            place.at("secret").error(
                f"secret has {len(issuer.secret)} bytes, at least {least} are needed: openssl rand -hex {least}"
            )
        elif is_placeholder(place.get("secret")):
            place.at("secret").error(f"secret is a placeholder; make one: openssl rand -hex {least}")
        elif b"-----BEGIN" in issuer.secret:
            place.at("secret").error("secret is a key in PEM, which others may know; give 'public_key', or a secret")


def _check_claims(place: Section, issuer: Issuer) -> None:
    if issuer.roles and not issuer.claims.role:
        place.at("roles").error("'roles' needs claims.role, the claim whose values it maps", at_key=True)
    if issuer.claims.role and not issuer.roles:
        place.at("claims").at("role").error("claims.role needs 'roles', which says what its values mean")
    if issuer.tenant == "*" and issuer.claims.tenant:
        place.at("tenant").error("'*' beside claims.tenant would show every tenant to who has no such claim; name one")
