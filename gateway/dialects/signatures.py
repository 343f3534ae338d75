"""Signature Version 4 as who is asked reads it: which access key signed, and was it this very request?

The pairs that clients sign with are made here too. Of the gateway's keys only their SHA-256 is kept, while checking a
signature takes the secret itself. So a pair's secret is computed from both that digest and `keys.signing_secret`: who
reads the database alone cannot sign, nor who has the signing secret alone, and nothing more has to be kept.

Algorithm: the General Reference on Signature Version 4, as botocore 1.44.5 signs (2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from gateway.errors import InvalidSignature, SignatureExpired
from gateway.types import Head

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_S = 300.0  # either way, as at the vendor
STORED, DECLARED = "GWAK", "GWAS"  # how access key ids begin: of a key in the store, and of one in YAML

_ID_CHARS = 12
_SECRET_BYTES = 30  # 40 characters, as others are
_CREDENTIAL = re.compile(
    rf"{ALGORITHM} +Credential=([^/,\s]{{1,128}})/([0-9]{{8}})/([A-Za-z0-9-]{{1,64}})/([A-Za-z0-9-]{{1,64}})/"
    r"aws4_request, *"
    r"SignedHeaders=([a-z0-9!#$%&'*+.^_`|~;-]{1,4096}), *Signature=([0-9a-f]{64})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a client signs with."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signed request says of itself, none of which is known to be true."""

    access_key_id: str
    date: str  # YYYYMMDD
    region: str  # whichever the client likes
    service: str
    signed: tuple[str, ...]  # names of headers
    signature: str  # hexadecimal
    stamp: str  # when, as YYYYMMDDTHHMMSSZ


def pair_of(signing_secret: str, digest: bytes, key_id: str = "") -> Pair:
    """Return the pair of the key with this SHA-256. `key_id` is that of a key in the store, "" of one in YAML."""
    if key_id:
        access_key_id = STORED + key_id.removeprefix("key_").upper()
    else:
        access_key_id = DECLARED + hashlib.sha256(b"access key id" + digest).hexdigest()[:_ID_CHARS].upper()
    made = hmac.digest(signing_secret.encode(), access_key_id.encode() + digest, "sha256")
    return Pair(access_key_id, base64.b64encode(made[:_SECRET_BYTES]).decode())


def stored_id(access_key_id: str) -> str | None:
    """Return the id of the key in the store that such an access key is of, None where it is of another kind."""
    return f"key_{access_key_id[len(STORED) :].lower()}" if access_key_id.startswith(STORED) else None


def is_signed(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").startswith(ALGORITHM)


def read_claim(headers: Mapping[str, str], service: str, now: float) -> Claim:
    """Return who says to have signed. Raises InvalidSignature, SignatureExpired."""
    found = _CREDENTIAL.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise InvalidSignature(
            "the Authorization header is no whole signature: it takes Credential, SignedHeaders and Signature"
        )
    access_key_id, date, region, scope, names, signature = found.groups()
    signed = tuple(names.split(";"))
    stamp = headers.get("x-amz-date", "")
    if scope != service:
        raise InvalidSignature(f"the request is signed for the service {scope!r}; this is {service!r}")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if "host" not in signed or unsigned or any(name not in headers for name in signed):
        raise InvalidSignature("the host and every x-amz- header have to be signed, and what is signed has to be there")
    if list(signed) != sorted(set(signed)):
        raise InvalidSignature("the signed headers have to be named once each, in order")
    _check_time(stamp, date, now)
    return Claim(access_key_id, date, region, scope, signed, signature, stamp)


def check(claim: Claim, secret_access_key: str, head: Head, body: bytes) -> None:
    """Raise InvalidSignature unless this very request was signed with the secret."""
    payload = hashlib.sha256(body).hexdigest()
    said = head.headers.get("x-amz-content-sha256", payload)
    wanted = _signature(claim, secret_access_key, canonical(claim, head, payload))
    if said != payload or not hmac.compare_digest(wanted, claim.signature):
        raise InvalidSignature(
            "the signature is not that of this request: check the secret access key, and that no proxy on the way "
            "changes the Host header, the path or the body"
        )


def canonical(claim: Claim, head: Head, payload: str) -> bytes:
    """Return what is signed of a request; `payload` is its body's SHA-256 in hexadecimal."""
    query = "&".join(f"{name}={value}" for name, value in sorted(_pairs(head.raw_query)))
    headers = "".join(f"{name}:{' '.join(head.headers[name].split())}\n" for name in claim.signed)
    parts = (head.method, quote(head.path, safe="/~"), query, headers, ";".join(claim.signed), payload)
    return "\n".join(parts).encode(errors="surrogateescape")


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (item.partition("=") for item in query.split("&")) if query else ()
    return [(name, value) for name, _, value in pairs]


def _signature(claim: Claim, secret_access_key: str, request: bytes) -> str:
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    text = f"{ALGORITHM}\n{claim.stamp}\n{scope}\n{hashlib.sha256(request).hexdigest()}"
    key = b"AWS4" + secret_access_key.encode()
    for part in (claim.date, claim.region, claim.service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _check_time(stamp: str, date: str, now: float) -> None:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise InvalidSignature(
            "the header X-Amz-Date has to say when the request was signed, 20270131T180000Z"
        ) from error
    if not stamp.startswith(date):
        raise InvalidSignature("the day of the credential is not that of X-Amz-Date")
    if abs(now - at) > MAX_SKEW_S:
        raise SignatureExpired(
            f"the request was signed {abs(now - at):.0f} s {'ago' if at < now else 'from now'}; {MAX_SKEW_S:.0f} s are "
            "the most, so check the clock"
        )
