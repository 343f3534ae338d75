"""Who may: a key in a header, valid now, whose role is enough; and what a key may hand on to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.errors import PermissionDenied, Unauthenticated
from gateway.issuers.table import Issuers
from gateway.middlewares.auth import check_not_expired, find_client, header_credential, unknown_key
from gateway.stores.keys.ring import KeyRing
from gateway.stores.keys.store import EVERY_TENANT, StoredKey
from gateway.stores.keys.terms import limits_of
from gateway.stores.limits import Meter, meters_of
from gateway.types import AwayPolicy, Client, Head, KeyRole, Limit, Scopes

RANKS: Mapping[KeyRole, int] = {"user": 0, "operator": 1, "admin": 2}
_LOOSENESS: Mapping[AwayPolicy, int] = {"closed": 0, "local_share": 1, "open": 2}


def authenticate(head: Head, declared: Mapping[bytes, Client], ring: KeyRing, issuers: Issuers, now: float) -> Client:
    """Return whose key or token came in a header. One in the query would stand in logs. Raises Unauthenticated, and
    what is wrong with a token."""
    secret = header_credential(head)
    if not secret:
        raise Unauthenticated("the admin API needs a key in a header, from everywhere: 'Authorization: Bearer <key>'")
    client = find_client(secret, declared, ring) or issuers.find(secret)
    if client is None:
        raise unknown_key(secret)
    check_not_expired(client, now)
    return client


def check_role(client: Client, least: KeyRole) -> None:
    """Raises PermissionDenied."""
    if RANKS[client.role] < RANKS[least]:
        raise PermissionDenied(f"this takes a key of role '{least}'; that of {client.name!r} is '{client.role}'")


def check_every_tenant(client: Client) -> None:
    """Raises PermissionDenied."""
    if client.tenant != EVERY_TENANT:
        raise PermissionDenied(
            f"this concerns every tenant, and the key {client.name!r} is of {client.tenant!r}; "
            f"it takes a key of tenant '{EVERY_TENANT}'"
        )


def is_visible(client: Client, tenant: str) -> bool:
    return client.tenant in (EVERY_TENANT, tenant)


def check_held(minter: Client, key: StoredKey) -> None:
    """Raises PermissionDenied, naming the field, where a key would be for more than its minter's is."""
    field = excess(minter, key)
    if field is not None:
        raise PermissionDenied(
            f"'{field}' goes beyond what the key {minter.name!r} holds; a key can only hand on what it has itself",
            param=field,
        )


def excess(minter: Client, key: StoredKey) -> str | None:
    """Return the first field by which a key is for more than its minter's, or None."""
    if RANKS[key.role] > RANKS[minter.role]:
        return "role"
    if not is_visible(minter, key.tenant):
        return "tenant"
    for part in Scopes.__slots__:
        mine, asked = getattr(minter.scopes, part), getattr(key.scopes, part)
        if mine and (not asked or not set(asked) <= set(mine)):
            return f"scopes.{part}"
    if minter.expires_at is not None and (key.expires_at is None or key.expires_at > minter.expires_at):
        return "expires_at"
    return _looser(minter.limits, limits_of(key.limits))


def _looser(mine: Sequence[Limit], asked: Sequence[Limit]) -> str | None:
    """Return the first of one's own limits that is missing among those asked for, or higher there."""
    of_others = _smallest(asked)
    for which, meter in _smallest(mine).items():
        if which not in of_others or of_others[which].amount > meter.amount:
            return "limits.audio_seconds" if meter.unit == "audio_ms" else f"limits.{meter.what}"
    strictest = min((_LOOSENESS[limit.while_away] for limit in mine), default=None)
    if strictest is not None and any(_LOOSENESS[limit.while_away] > strictest for limit in asked):
        return "limits.while_away"
    return None


def _smallest(limits: Iterable[Limit]) -> dict[tuple[object, ...], Meter]:
    """Return what counts of each unit and window, budget period, and of calls at once: the smallest."""
    found: dict[tuple[object, ...], Meter] = {}
    for limit in limits:
        for meter in meters_of(limit):
            which = (meter.kind, meter.unit, meter.window_s, meter.period)
            if which not in found or meter.amount < found[which].amount:
                found[which] = meter
    return found
