"""Keys: listed, made, changed, rotated and revoked. A change is in force here at once, elsewhere within a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.admin.access import check_held, is_visible
from gateway.admin.ask import Answer, Ask
from gateway.config.keys import moment
from gateway.errors import InvalidRequest, NotFound
from gateway.stores.keys.facts import facts
from gateway.stores.keys.secret import digest_of, new_secret
from gateway.stores.keys.store import KeyStore, StoredKey, UnknownKey
from gateway.stores.keys.terms import NOTHING, TermFault, write_limits, write_tags
from gateway.types import Scopes

LOGGER = logging.getLogger("gateway")

PAGE = 100  # keys that one answer lists where nothing is said


async def list_keys(ask: Ask) -> Answer:
    store = _store(ask)
    limit, after = ask.query.get("limit", PAGE), ask.query.get("after", "")

    def read() -> Answer:
        keys = [key for key in store.since(0)[1] if is_visible(ask.client, key.tenant) and key.id > after]
        keys.sort(key=lambda key: key.id)
        more = len(keys) > limit
        return {
            "keys": [facts(key, ask.now) for key in keys[:limit]],
            "next": keys[limit - 1].id if more else None,
        }

    return await asyncio.to_thread(read)


async def make_key(ask: Ask) -> Answer:
    store, body = _store(ask), ask.body
    terms = _terms(body)
    wanted = StoredKey(
        id="",
        name=body["name"],
        tenant=body.get("tenant", ask.client.tenant),
        digest=b"",
        scopes=_scopes(body.get("scopes", {})),
        created_at=ask.now,
        expires_at=_expiry(body.get("expires_at")),
        role=body.get("role", "user"),
        limits=terms.get("limits", NOTHING),
        tags=terms.get("tags", NOTHING),
    )
    if wanted.expires_at is not None and wanted.expires_at <= ask.now:
        raise InvalidRequest(
            "'expires_at' is over already; give a moment to come, or null for never", param="expires_at"
        )
    check_held(ask.client, wanted)
    key, secret = await asyncio.to_thread(
        store.create,
        wanted.name,
        wanted.tenant,
        wanted.scopes,
        wanted.expires_at,
        ask.now,
        wanted.role,
        wanted.limits,
        wanted.tags,
    )
    await ask.services.keys.refresh()
    LOGGER.info("key %s was made by %s", key.id, ask.client.name)
    return {**facts(key, ask.now), "key": secret}


async def show_key(ask: Ask) -> Answer:
    store, wanted = _store(ask), ask.params["id"]
    try:
        key = await asyncio.to_thread(store.show, wanted)
    except UnknownKey as error:
        raise _not_found(wanted) from error
    if key.id != wanted or not is_visible(ask.client, key.tenant):  # a name may be another tenant's too
        raise _not_found(wanted)
    return facts(key, ask.now)


async def change_key(ask: Ask) -> Answer:
    body = ask.body
    changes: dict[str, Any] = _terms(body)
    if "name" in body:
        changes["name"] = body["name"]
    if "scopes" in body:
        changes["scopes"] = _scopes(body["scopes"])
    if "expires_at" in body:
        changes["expires_at"] = _expiry(body["expires_at"])

    def change(key: StoredKey) -> StoredKey:
        changed = replace(_living(key), **changes)
        check_held(ask.client, changed)
        return changed

    return facts(await _change(ask, change, "changed"), ask.now)


async def rotate_key(ask: Ask) -> Answer:
    secret = new_secret()

    def change(key: StoredKey) -> StoredKey:
        check_held(ask.client, _living(key))  # who gets the secret of a key can do what the key can
        return replace(key, digest=digest_of(secret))

    return {**facts(await _change(ask, change, "rotated"), ask.now), "key": secret}


async def revoke_key(ask: Ask) -> Answer:
    def change(key: StoredKey) -> StoredKey:
        return key if key.revoked_at is not None else replace(key, revoked_at=ask.now)

    return facts(await _change(ask, change, "revoked"), ask.now)


async def _change(ask: Ask, change: Callable[[StoredKey], StoredKey], done: str) -> StoredKey:
    wanted = ask.params["id"]

    def visible(key: StoredKey) -> StoredKey:
        if not is_visible(ask.client, key.tenant):
            raise _not_found(wanted)
        return change(key)

    try:
        key = await asyncio.to_thread(_store(ask).change, wanted, visible)
    except UnknownKey as error:
        raise _not_found(wanted) from error
    await ask.services.keys.refresh()
    LOGGER.info("key %s was %s by %s", key.id, done, ask.client.name)
    return key


def _store(ask: Ask) -> KeyStore:
    store = ask.services.keys.store
    if store is None:
        raise NotFound("there is no store for keys: set stores.database_url in routes.yaml (DATABASE_URL), and restart")
    return store


def _not_found(key_id: str) -> NotFound:
    return NotFound(f"there is no key {key_id[:100]!r}; GET /admin/keys lists the ids", param="id")


def _living(key: StoredKey) -> StoredKey:
    if key.revoked_at is not None:
        raise InvalidRequest(f"the key {key.id!r} is revoked for good; make another", param="id")
    return key


def _scopes(given: dict[str, list[str]]) -> Scopes:
    return Scopes(**{part: tuple(values) for part, values in given.items()})


def _terms(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits and tags that a body gives, as the store keeps them."""
    found: dict[str, str] = {}
    for name, write in (("limits", write_limits), ("tags", write_tags)):
        if name not in body:
            continue
        try:
            found[name] = write(body[name])
        except TermFault as error:
            place = f"{name}.{error.field}".rstrip(".")
            said = str(error).removeprefix(error.field).lstrip()
            raise InvalidRequest(f"'{place}' {said}", param=place) from error
    return found


def _expiry(given: str | None) -> float | None:
    if given is None:
        return None
    found = moment(given)
    if found is None:
        raise InvalidRequest(
            "'expires_at' is no date; write YYYY-MM-DD, or a time with its zone: 2027-01-31T18:00:00Z",
            param="expires_at",
        )
    return found
