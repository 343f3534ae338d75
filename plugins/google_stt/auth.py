"""Who asks Google: an API key, or an access token that is given, or one that the engine fetches as is said here.

A service account signs a statement of who it is (RFC 7523) with its private key, and Google gives a token of an hour
for it. google-auth signs; its own fetching is not used, since a plugin does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from gateway import json
from gateway.errors import UpstreamMalformed, UpstreamRefusedUs
from gateway.plugin import AskToken, Token
from gateway.types import Provider, Target, UpstreamRequest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI = "https://oauth2.googleapis.com/token"
METADATA_URL = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
STATED_S = 3600  # Google accepts no longer one
HINT = "pip install 'ai-service-gateway[google]'"

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "api-key": ("api_key",),
    "access-token": ("access_token",),
    "service-account": ("service_account",),
    "metadata": (),
}


def method(options: Mapping[str, Any]) -> str:
    """Return how a provider with these options authenticates."""
    usual = "service-account" if options.get("api", "v1") == "v2" else "api-key"
    return str(options.get("auth", usual))


def needs(options: Mapping[str, Any]) -> tuple[str, ...]:
    return _NEEDS[method(options)]


def token(provider: Provider) -> AskToken | None:
    """Return how this provider's tokens are asked for; None where the operator gives what is sent."""
    match method(provider.options):
        case "service-account":
            return AskToken(_ask_for_account, _read)
        case "metadata":
            return AskToken(_ask_machine, _read)
    return None


def sign(request: UpstreamRequest, target: Target) -> UpstreamRequest:
    """Add the key or the token. Raises UpstreamRefusedUs where there is none."""
    credentials, options = target.provider.credentials, target.provider.options
    if method(options) == "api-key":
        return replace(request, headers={**request.headers, "x-goog-api-key": credentials["api_key"]})
    if not credentials.get("access_token"):
        raise UpstreamRefusedUs("has no access token; see the provider's option auth")
    headers = {**request.headers, "authorization": f"Bearer {credentials['access_token']}"}
    if options.get("project"):
        headers["x-goog-user-project"] = str(options["project"])
    return replace(request, headers=headers)


def _ask_for_account(provider: Provider, now_s: float) -> UpstreamRequest:
    account = _account(provider)
    uri = str(account.get("token_uri") or TOKEN_URI)
    if not uri.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise UpstreamRefusedUs("the service account's token_uri is not https")
    statement = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": uri,
        "iat": int(now_s),
        "exp": int(now_s) + STATED_S,
    }
    body = urlencode({"grant_type": GRANT, "assertion": _signed(account, statement)}).encode()
    return UpstreamRequest("POST", uri, {"content-type": "application/x-www-form-urlencoded"}, body)


def _ask_machine(provider: Provider, now_s: float) -> UpstreamRequest:
    return UpstreamRequest("GET", METADATA_URL, {"metadata-flavor": "Google"})


def _signed(account: Mapping[str, Any], statement: Mapping[str, Any]) -> str:
    try:
        from google.auth import crypt, jwt
    except ImportError as error:
        raise UpstreamRefusedUs(f"a service account needs google-auth; {HINT}") from error
    try:
        signer = crypt.RSASigner.from_service_account_info(account)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise UpstreamRefusedUs("the service account's private_key cannot be read; give the JSON of its key") from error
    signed: bytes = jwt.encode(signer, statement)  # type: ignore[no-untyped-call]
    return signed.decode()


def _account(provider: Provider) -> Mapping[str, Any]:
    try:
        account = json.loads(provider.credentials["service_account"].encode())
    except ValueError as error:
        raise UpstreamRefusedUs("credentials.service_account is not JSON; give the whole file of its key") from error
    if not isinstance(account, dict) or not account.get("client_email") or not account.get("private_key"):
        raise UpstreamRefusedUs("credentials.service_account lacks client_email or private_key")
    return account


def _read(body: bytes) -> Token:
    """`{"access_token", "expires_in", "token_type"}` (RFC 6749, 5.1). Raises UpstreamMalformed."""
    try:
        answer = json.loads(body)
        value, lasts_s = answer["access_token"], float(answer.get("expires_in", STATED_S))
    except (ValueError, TypeError, KeyError) as error:
        raise UpstreamMalformed("the vendor's answer holds no access_token") from error
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise UpstreamMalformed("the vendor's access_token is no text that a header can carry")
    return Token(value, lasts_s)
