"""Who is it? The key or token of a request becomes a client; what has none is anonymous, where that is allowed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from gateway.config.model import Config, Keys, Route
from gateway.dialects import DIALECTS
from gateway.dialects.signatures import Pair, check, is_signed, pair_of, read_claim, stored_id
from gateway.errors import PermissionDenied, Unauthenticated, UnknownAccessKey
from gateway.issuers.table import Issuers
from gateway.services import Services
from gateway.stores.keys.ring import KeyRing
from gateway.stores.keys.secret import digest_of, is_damaged
from gateway.types import Call, Client, Facts, Handler, Head, Middleware, Reply, Scopes, replace

# Every header that real clients put a key into (vendors.md 10), in the order in which they are believed.
_KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key", "xi-api-key")
_SCHEMES = ("bearer ", "token ")
# What lists what there is has no model and costs nothing: clients ask for it before they call.
_ALWAYS_ALLOWED = frozenset({"models", "voices"})
_EVERYTHING = Scopes()
# A request that came through a proxy only looks as if it came from this machine.
_PROXY_HEADERS = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-client-ip",
    "true-client-ip", "cf-connecting-ip", "fly-client-ip", "x-original-forwarded-for", "x-envoy-external-address",
)  # fmt: skip


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if route.auth == "none":
        return Open()
    return Auth(
        config.keys,
        config.server.cors.origins,
        route.path,
        ring=services.keys,
        issuers=services.issuers,
        service=getattr(DIALECTS.get(route.dialect), "signed_service", ""),
    )


class Open:
    """A route without keys: everybody is the anonymous client of his address."""

    def admit(self, head: Head) -> Head:
        return replace(head, client=_anonymous(head))

    def admit_as(self, head: Head, client: Client) -> Head:
        """Return the head as whoever has a key comes here: as everybody else."""
        return self.admit(head)

    def __call__(self, call: Call, handler: Handler) -> Awaitable[Reply]:
        return handler(call)


class Auth:
    """Keys by their SHA-256. The table is searched by digest, so that timing tells nothing of a key."""

    def __init__(
        self,
        keys: Keys,
        origins: tuple[str, ...],
        path: str,
        clock: Callable[[], float] = time.time,
        ring: KeyRing | None = None,
        issuers: Issuers | None = None,
        service: str = "",
    ) -> None:
        self._ring = ring if ring is not None else KeyRing()
        self._issuers = issuers if issuers is not None else Issuers()
        self._has_issuers = bool(keys.issuers)
        self._is_until_keys = keys.is_until_keys
        self._path = path  # the route's, with its {placeholders}
        self._clock = clock
        self._anonymous = keys.anonymous
        self._origins = frozenset(origins)
        self._clients = declared(keys)
        self._service = service  # for which requests may be signed here; "": for none
        self._signers = Signers(keys, self._clients, self._ring) if service else None
        self._has_scopes = self._has_issuers or any(key.scopes != _EVERYTHING for key in keys.static)

    def admit(self, head: Head) -> Head:
        """Return the head with its client, its body unread.

        Raises Unauthenticated, PermissionDenied, IssuerAway, and what a signature may have wrong.
        """
        if self._signers is not None and is_signed(head.headers) and self._has_keys():
            claim = read_claim(head.headers, self._service, self._clock())
            signer, pair = self._signers.find(claim.access_key_id)
            return replace(self.admit_as(head, signer), check_body=partial(check, claim, pair.secret_access_key, head))
        secret = credential(head)
        client = find_client(secret, self._clients, self._ring) if secret else None
        if client is None and self._has_issuers:
            client = self._issuers.find(header_credential(head))  # a token in a query would stand in logs
        if client is not None:
            return self.admit_as(head, client)
        if secret and self._has_keys():
            raise unknown_key(secret)
        if self._anonymous == "never" or (self._is_until_keys and self._ring.is_in_use):
            raise Unauthenticated("an API key is needed: send 'Authorization: Bearer <key>'")
        if self._anonymous == "loopback":
            self._check_local(head)
        return replace(head, client=_anonymous(head))

    def admit_as(self, head: Head, client: Client) -> Head:
        """Return the head as if the client's key had come with it. Raises Unauthenticated, PermissionDenied."""
        check_not_expired(client, self._clock())
        check_route(client, self._path)
        return replace(head, client=client)

    def __call__(self, call: Call, handler: Handler) -> Awaitable[Reply]:
        return handler(within_scopes(call) if self._has_scopes or len(self._ring) else call)

    async def explain(self, call: Call, facts: Facts) -> Call:
        facts["client"] = {"name": call.client.name, "tenant": call.client.tenant}
        return within_scopes(call)

    def _has_keys(self) -> bool:
        return bool(self._clients) or self._ring.is_in_use or self._has_issuers

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


class Signers:
    """Who may sign requests: everybody's access key is found by its id, of which the key itself is not a part."""

    def __init__(self, keys: Keys, clients: Mapping[bytes, Client], ring: KeyRing) -> None:
        self._secret = keys.signing_secret
        self._ring = ring
        self._declared: dict[str, tuple[Client, Pair]] = {}
        for digest, client in clients.items() if self._secret else ():
            pair = pair_of(self._secret, digest)
            self._declared[pair.access_key_id] = client, pair

    def find(self, access_key_id: str) -> tuple[Client, Pair]:
        """Return whose access key this is, and the pair. Raises UnknownAccessKey."""
        if not self._secret:
            raise UnknownAccessKey("signed requests are not taken here: keys.signing_secret in routes.yaml is empty")
        key_id = stored_id(access_key_id)
        if key_id is None:
            found = self._declared.get(access_key_id)
        else:
            held = self._ring.held(key_id)
            found = None if held is None else (held[1], pair_of(self._secret, held[0], key_id))
        if found is None or found[1].access_key_id != access_key_id:
            raise UnknownAccessKey(
                "the access key is not known here, or was revoked; `gateway keys pair NAME` prints that of a key"
            )
        return found


def within_scopes(call: Call) -> Call:
    """Return the call with the targets that its key may use. Raises PermissionDenied where it may not be made."""
    client = call.client
    scopes = client.scopes
    if call.steps:
        return replace(call, steps=tuple(within_scopes(step) for step in call.steps))
    is_free = not (scopes.operations or scopes.models or scopes.providers)
    if is_free or call.operation in _ALWAYS_ALLOWED:
        return call
    if scopes.operations and call.operation not in scopes.operations:
        raise _refusal(client, f"the operation {call.operation!r}", "operations")
    if not matches(call.model, scopes.models):
        raise _refusal(client, f"the model {call.model[:100]!r}", "models")
    if not scopes.providers:
        return call
    targets = tuple(target for target in call.targets if target.provider.name in scopes.providers)
    wanted = {call.provider} if call.provider else {target.provider.name for target in call.targets}
    if not wanted.intersection(scopes.providers):
        raise _refusal(client, f"what serves this call ({', '.join(sorted(wanted)) or 'no provider'})", "providers")
    return replace(call, targets=targets)


def declared(keys: Keys) -> Mapping[bytes, Client]:
    """Return the client of each key that YAML declares, by the key's SHA-256."""
    return {
        key.digest: Client(
            key.name,
            key.tenant,
            scopes=key.scopes,
            expires_at=key.expires_at,
            role=key.role,
            limits=key.limits,
            tags=key.tags,
        )
        for key in keys.static
    }


def find_client(secret: str, clients: Mapping[bytes, Client], ring: KeyRing) -> Client | None:
    """Return whose key this is, None where it is nobody's. It may have expired."""
    digest = digest_of(secret)
    return clients.get(digest) or ring.find(digest)


def unknown_key(secret: str) -> Unauthenticated:
    return Unauthenticated(
        "the API key is cut or mistyped: its checksum is wrong"
        if is_damaged(secret)
        else "the API key is not known here, or was revoked; send one that the operator has given out"
    )


def check_not_expired(client: Client, now: float) -> None:
    """Raises Unauthenticated."""
    if client.expires_at is not None and now >= client.expires_at:
        moment = datetime.fromtimestamp(client.expires_at, UTC).isoformat().replace("+00:00", "Z")
        raise Unauthenticated(f"the API key expired on {moment}; ask the operator for another")


def check_route(client: Client, path: str) -> None:
    """Raises PermissionDenied where the key is not for a route, which `path` names with its {placeholders}."""
    if not matches(path, client.scopes.routes):
        raise _refusal(client, f"the route {path!r}", "routes")


def credential(head: Head) -> str:
    """Return the key that came with a request, "" where there is none."""
    return header_credential(head) or head.query.get("key", "")


def header_credential(head: Head) -> str:
    """Return the key in a request's headers, "" where there is none."""
    authorization = head.headers.get("authorization", "")
    for scheme in _SCHEMES:
        if authorization[: len(scheme)].lower() == scheme:
            return authorization[len(scheme) :].strip()
    for name in _KEY_HEADERS:
        if name in head.headers:
            return head.headers[name].strip()
    return ""


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of a scope's patterns is for a name; none at all are for every one."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _refusal(client: Client, what: str, part: str) -> PermissionDenied:
    return PermissionDenied(
        f"the API key {client.name!r} is not for {what}; "
        f"use another key, or have the operator add it to this key's '{part}'"
    )


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
