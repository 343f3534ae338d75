"""Who is it? The key that came with a request becomes a client; what has none is anonymous, where that is allowed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from gateway.config.model import Config, Keys, Route
from gateway.errors import PermissionDenied, Unauthenticated
from gateway.services import Services
from gateway.types import Call, Client, Handler, Head, Middleware, Reply

# Every header that real clients put a key into (vendors.md 10), in the order in which they are believed.
_KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key", "xi-api-key")
_SCHEMES = ("bearer ", "token ")
# A request that came through a proxy only looks as if it came from this machine.
_PROXY_HEADERS = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-client-ip",
    "true-client-ip", "cf-connecting-ip", "fly-client-ip", "x-original-forwarded-for", "x-envoy-external-address",
)  # fmt: skip


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if route.auth == "none":
        return Open()
    return Auth(config.keys, config.server.cors.origins)


class Open:
    """A route without keys: everybody is the anonymous client of his address."""

    def admit(self, head: Head) -> Head:
        return replace(head, client=_anonymous(head))

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        return await handler(call)


class Auth:
    """Keys by their SHA-256. The table is searched by digest, so that timing tells nothing of a key."""

    def __init__(self, keys: Keys, origins: tuple[str, ...]) -> None:
        self._anonymous = keys.anonymous
        self._origins = frozenset(origins)
        self._clients: Mapping[bytes, Client] = {key.digest: Client(key.name, key.tenant) for key in keys.static}

    def admit(self, head: Head) -> Head:
        """Return the head with its client. Raises Unauthenticated or PermissionDenied; the body was not read yet."""
        secret = credential(head)
        if secret and self._clients:
            client = self._clients.get(hashlib.sha256(secret.encode(errors="surrogateescape")).digest())
            if client is None:
                raise Unauthenticated("the API key is not known here; send one that the operator has given out")
            return replace(head, client=client)
        if self._anonymous == "never":
            raise Unauthenticated("an API key is needed: send 'Authorization: Bearer <key>'")
        if self._anonymous == "loopback":
            self._check_local(head)
        return replace(head, client=_anonymous(head))

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        return await handler(call)

    def _check_local(self, head: Head) -> None:
        """A page in the operator's own browser also comes from loopback; its host and origin give it away."""
        is_proxied = any(name in head.headers for name in _PROXY_HEADERS)
        if is_proxied or not _is_loopback(head.remote):
            raise Unauthenticated(
                "an API key is needed from other machines (keys.anonymous serves this one only): "
                "send 'Authorization: Bearer <key>'"
            )
        if not _is_local_name(head.headers.get("host", "")):
            raise PermissionDenied("without an API key only a local host name is served; set 'host' to localhost")
        origin = head.headers.get("origin")
        if origin and not self._is_allowed(origin):
            raise PermissionDenied(
                f"pages of {origin[:100]!r} may not call without an API key; add it to server.cors.origins"
            )

    def _is_allowed(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins or _is_local_name(_host_of(origin))


def credential(head: Head) -> str:
    """Return the key that came with a request, "" where there is none."""
    authorization = head.headers.get("authorization", "")
    for scheme in _SCHEMES:
        if authorization[: len(scheme)].lower() == scheme:
            return authorization[len(scheme) :].strip()
    for name in _KEY_HEADERS:
        if name in head.headers:
            return head.headers[name].strip()
    return head.query.get("key", "")


def _anonymous(head: Head) -> Client:
    return Client(f"ip:{head.remote}", "anonymous", is_anonymous=True)


def _host_of(origin: str) -> str:
    """Return the host and port of an origin, "" where it is none: browsers send neither a path nor a user with it."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # a broken IPv6 address
        return ""
    return parts.netloc if origin == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc else ""


def _is_local_name(netloc: str) -> bool:
    host = netloc.rsplit(":", 1)[0] if not netloc.endswith("]") else netloc
    host = host.strip("[]").lower()
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None  # how a socket of both families says it
    return bool((mapped or parsed).is_loopback)
