"""The keys by which tokens are verified, read from a JSON Web Key Set (RFC 7517) or from PEM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

MAX_KEYS = 100  # of one issuer; those in use are a handful
MIN_RSA_BITS = 2048  # RFC 7518, 3.3
MAX_RSA_BITS = 8192  # more takes milliseconds a token

_READERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
_CURVES: Mapping[str, str] = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """One key, and the only algorithms that it is for: no key is ever tried with another kind's."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any = field(repr=False)


def read_jwks(document: Any) -> tuple[VerifyKey, ...]:
    """Return the keys of a set that signatures can be verified by; what else is in it is passed over. Raises ValueError
    where it is none."""
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it is no set of keys: 'keys' is no list")
    if len(rows) > MAX_KEYS:
        raise ValueError(f"it has {len(rows)} keys, at most {MAX_KEYS} are taken")
    return tuple(key for row in rows if (key := _from_row(row)) is not None)


def read_pem(text: str) -> VerifyKey:
    """Return a public key. Raises ValueError saying why there is none."""
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key; give its public one: openssl pkey -in key.pem -pubout")
    if "BEGIN CERTIFICATE" in text:
        raise ValueError("is a certificate; give its key: openssl x509 -in certificate.pem -pubkey -noout")
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("is no public key in PEM ('-----BEGIN PUBLIC KEY-----')") from error
    algorithms = _fitting(key)
    if not algorithms:
        raise ValueError(
            f"is of a kind that is not taken: RSA of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, EC of P-256, P-384 or "
            "P-521, Ed25519 and Ed448 are"
        )
    return VerifyKey(None, algorithms, key)


def _from_row(row: Any) -> VerifyKey | None:
    if not isinstance(row, dict) or "d" in row:  # a private key that was published is everybody's
        return None
    kid, operations, only = row.get("kid"), row.get("key_ops"), row.get("alg")
    if not isinstance(kid, str | None) or row.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    read = _READERS.get(str(row.get("kty")))
    if read is None:
        return None
    try:
        key = read(row)
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):  # whatever stands there
        return None
    algorithms = _fitting(key)
    if only is not None:
        algorithms = frozenset(name for name in algorithms if name == only)
    return VerifyKey(kid, algorithms, key) if algorithms else None


def _fitting(key: Any) -> frozenset[str]:
    match key:
        case rsa.RSAPublicKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return frozenset({_CURVES[key.curve.name]})
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return frozenset({"EdDSA"})
        case _:
            return frozenset()
