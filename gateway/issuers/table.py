"""The issuers in force, and the tokens of theirs that were verified a moment ago."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gateway.config.model import Issuer
from gateway.errors import Unauthenticated
from gateway.issuers.keyset import KeySet, Pace, Send
from gateway.issuers.token import parse
from gateway.stores.keys.secret import digest_of
from gateway.types import Client

if TYPE_CHECKING:
    from gateway.issuers.keys import VerifyKey
    from gateway.issuers.verify import Verifier

MAX_VERIFIED = 10_000  # some 5 MB; the oldest go first
VERIFIED_S = 60.0  # a verification stands so long at most


class Issuers:
    """Knows none until `use`. Verified tokens are found by the SHA-256 of all their text: two tokens of one issuer
    begin alike, and none of their text is kept."""

    def __init__(
        self,
        send: Send | None = None,
        clock: Callable[[], float] = time.time,
        pace: Pace = Pace(),  # noqa: B008  # frozen
    ) -> None:
        self._send = send
        self._clock = clock
        self._pace = pace
        self._issuers: tuple[Issuer, ...] = ()
        self._verifiers: dict[str, Verifier] = {}
        self._keysets: dict[tuple[str, str], KeySet[VerifyKey]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._verified: OrderedDict[bytes, tuple[float, Client]] = OrderedDict()

    def use(self, issuers: Sequence[Issuer]) -> None:
        """Accept tokens of these and of no others. Keys that were fetched stay where their address does."""
        if tuple(issuers) == self._issuers:
            return
        self._issuers = tuple(issuers)
        self._verified.clear()
        verifiers: dict[str, Verifier] = {}
        keysets: dict[tuple[str, str], KeySet[VerifyKey]] = {}
        if issuers:
            # Who has no issuers need not have PyJWT.
            from gateway.issuers.verify import Verifier

            for issuer in issuers:
                keyset = None
                if not issuer.secret and not issuer.public_key:
                    key = (issuer.url, issuer.jwks_url)
                    keyset = keysets[key] = self._keysets.get(key) or self._follow(issuer)
                verifiers[issuer.url] = Verifier(issuer, keyset)
        for key, keyset in self._keysets.items():
            if key not in keysets:
                task = keyset.stop()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        self._verifiers, self._keysets = verifiers, keysets

    def find(self, text: str) -> Client | None:
        """Return whose token this is, None where the text is no token or none is accepted.

        Raises Unauthenticated or PermissionDenied for a token that is not accepted, IssuerAway where that cannot be
        told.
        """
        if not self._verifiers:
            return None
        digest, now = digest_of(text), self._clock()
        held = self._verified.get(digest)
        if held is not None and now < held[0]:
            return held[1]
        self._verified.pop(digest, None)
        token = parse(text)
        if token is None:
            return None
        issuer = token.claims.get("iss")
        verifier = self._verifiers.get(issuer) if isinstance(issuer, str) else None
        if verifier is None:
            raise Unauthenticated("the token is of an issuer (iss) that is not accepted here")
        client = verifier.verify(token, now)
        if len(self._verified) >= MAX_VERIFIED:
            self._verified.popitem(last=False)
        until = now + VERIFIED_S
        self._verified[digest] = (until if client.expires_at is None else min(until, client.expires_at), client)
        return client

    async def aclose(self) -> None:
        tasks = [keyset.stop() for keyset in self._keysets.values()]
        await asyncio.gather(*tasks, *self._ending, return_exceptions=True)

    def _follow(self, issuer: Issuer) -> KeySet[VerifyKey]:
        from gateway.issuers.keys import read_jwks

        assert self._send is not None
        return KeySet(issuer, self._send, read_jwks, self._verified.clear, self._pace)
