"""One issuer's tokens verified: the algorithm first, then the key, the signature, and only then what is claimed."""

from __future__ import annotations

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from gateway import json
from gateway.config.model import Issuer
from gateway.errors import IssuerAway, Unauthenticated
from gateway.issuers.claims import check_claims, client_of
from gateway.issuers.keys import VerifyKey, read_pem
from gateway.issuers.keyset import KeySet
from gateway.issuers.token import Token
from gateway.types import Client

_SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})


class Verifier:
    """`keyset` follows the issuer's published keys; None where the configuration holds the key."""

    def __init__(self, issuer: Issuer, keyset: KeySet[VerifyKey] | None) -> None:
        self._issuer = issuer
        self._keyset = keyset
        self._jws = PyJWS()
        self._fixed: VerifyKey | None = None
        if issuer.secret:
            self._fixed = VerifyKey(None, _SECRET_ALGORITHMS, issuer.secret)
        elif issuer.public_key:
            self._fixed = read_pem(issuer.public_key)

    def verify(self, token: Token, now: float) -> Client:
        """Return whose token this is. Raises Unauthenticated, PermissionDenied, or IssuerAway where there are no keys
        to verify it by."""
        issuer = self._issuer
        if token.algorithm not in issuer.algorithms:
            raise Unauthenticated(
                f"the token is not signed by {' or '.join(issuer.algorithms)}, which are accepted here"
            )
        key = self._key_of(token)
        try:
            payload = self._jws.decode(token.text, key.key, algorithms=[token.algorithm])
            claims = json.loads(payload)
        except (PyJWTError, ValueError, TypeError):
            raise Unauthenticated("the token's signature is wrong") from None
        return client_of(issuer, claims, check_claims(issuer, claims, now))

    def _key_of(self, token: Token) -> VerifyKey:
        if self._fixed is not None:
            if token.algorithm not in self._fixed.algorithms:
                raise Unauthenticated("the token is signed by another kind of key than the issuer's")
            return self._fixed
        assert self._keyset is not None
        keys = self._keyset.keys
        if keys is None:
            raise IssuerAway(
                f"the keys of issuer {self._issuer.name!r} cannot be fetched; try again",
                retry_after_s=self._keyset.pace.retry_s,
            )
        fitting = [key for key in keys if token.algorithm in key.algorithms and token.kid in (None, key.kid)]
        if token.kid is None and len(fitting) > 1:
            raise Unauthenticated("the token does not say by which of its issuer's keys it is signed (kid)")
        if not fitting:
            self._keyset.request()  # the issuer may have a new key
            raise Unauthenticated("the token is signed by a key that its issuer does not publish")
        return fitting[0]
