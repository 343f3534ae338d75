"""An identity provider on loopback: its discovery document, its keys, and tokens signed by them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "ai-gateway"
KINDS = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and what is published of it."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)

    @property
    def row(self) -> dict[str, Any]:
        public = self.key.public_key()
        writer: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[self.algorithm]
        return {**writer.to_jwk(public, as_dict=True), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> str:
        return str(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a token; a header that is None is left out."""
        full = {"kid": self.kid, **header}
        return jwt.encode(
            claims, self.key, self.algorithm, headers={name: value for name, value in full.items() if value is not None}
        )


@cache  # making RSA keys takes a tenth of a second
def signer(algorithm: str = "RS256", kid: str = "key-1") -> Signer:
    match algorithm:
        case "RS256":
            return Signer(kid, algorithm, rsa.generate_private_key(65537, 2048))
        case "ES256":
            return Signer(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        case _:
            return Signer(kid, algorithm, ed25519.Ed25519PrivateKey.generate())


def claims(issuer: str, **changed: Any) -> dict[str, Any]:
    """Return claims that are in order; one that is changed to None is left out."""
    now = int(time.time())
    full = {"iss": issuer, "aud": AUDIENCE, "sub": "ada", "iat": now, "nbf": now, "exp": now + 300, **changed}
    return {name: value for name, value in full.items() if value is not None}


def encoded(value: Any) -> str:
    """Return JSON, or bytes, as a part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class IdentityProvider:
    """`rows` is what it publishes, `status` what it answers; both may change."""

    url: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: int = 0  # how often for keys
    discovery: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None  # in the place of the keys

    async def serve(self, request: web.Request) -> web.Response:
        if request.path.endswith("/openid-configuration"):
            return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery})
        self.asked += 1
        if self.status in (301, 302):
            return web.Response(status=self.status, headers={"location": f"{self.url}/keys?again"})
        if self.body is not None:
            return web.Response(status=self.status, body=self.body)
        return web.json_response({"keys": self.rows}, status=self.status)

    def token(self, by: Signer | None = None, **changed: Any) -> str:
        return (by or signer()).sign(claims(self.url, **changed))


@asynccontextmanager
async def identity_provider(*signers: Signer, port: int = 0) -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider(rows=[one.row for one in signers or (signer(),)])
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", provider.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
