"""What a key looks like: `gw_`, 256 random bits in 43 letters and digits, and a checksum of 6.

The prefix lets scanners find a key that leaked; the checksum tells a key that was cut or mistyped from one that is not
known, without a look at any table. Kept is the SHA-256 alone: 256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

PREFIX = "gw_"
SECRET_BITS = 256
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase  # base 62: a double click takes all of it
_SECRET_CHARS = 43  # 62 ** 43 is the first power beyond 2 ** 256
_CHECK_CHARS = 6  # 62 ** 6 is beyond 2 ** 32
LENGTH = len(PREFIX) + _SECRET_CHARS + _CHECK_CHARS


def new_secret() -> str:
    """Return a new key, to be shown once."""
    body = PREFIX + _in_base_62(secrets.randbits(SECRET_BITS), _SECRET_CHARS)
    return body + _checksum(body)


def digest_of(secret: str) -> bytes:
    """Return what is kept of a key and what it is found by: 32 bytes, of whatever a client sent."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def is_damaged(secret: str) -> bool:
    """Return whether this begins like a key of ours and is none: cut, lengthened or mistyped."""
    return secret.startswith(PREFIX) and (
        len(secret) != LENGTH or secret[-_CHECK_CHARS:] != _checksum(secret[:-_CHECK_CHARS])
    )


def _checksum(body: str) -> str:
    return _in_base_62(zlib.crc32(body.encode(errors="surrogateescape")), _CHECK_CHARS)


def _in_base_62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits.rjust(width, _ALPHABET[0])
