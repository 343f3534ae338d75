"""Signature Version 4 by botocore, and the chain of places in which botocore looks for the credentials to sign with.

For plugins whose vendor has requests signed that way; they need the package botocore, which is imported only here and
where it is used: that takes 0.3 s and reads files, so `find`, which the engine runs in a thread before the first
`sign`, is the one to do it. The chain and its order are botocore's own (1.44.5, `create_credential_resolver`): the
environment, a role or keys in the shared files, a helper process, then the role of the container or the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gateway.errors import UpstreamRefusedUs
from gateway.plugin import Found
from gateway.types import Provider, Target, UpstreamRequest

# Of a plugin's `options_schema`.
OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "credentials": {
            "description": "given: the keys in `credentials`. chain: those that botocore finds in the environment, in "
            "the shared config and credentials files, or as the role of this container or machine; they are looked "
            "for at the first call, and again before they end.",
            "enum": ["given", "chain"],
            "default": "given",
        },
        "profile": {
            "description": "The profile of the shared files that the chain begins with; the keys in the environment "
            "are not asked then. Left out: as botocore decides.",
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
        },
    }
)
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType({"profile": ("credentials",)})  # for `dependentRequired`
CREDENTIALS = ("access_key_id", "secret_access_key")  # and session_token, where the key is a temporary one

# Within a search, to the services that some profiles ask for a role. A machine's own is asked for 1 s (botocore's).
CALL_TIMEOUT_S = 5.0
MAX_CALLS = 2


def needs(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the credentials that have to be given."""
    return () if _is_chain(options) else CREDENTIALS


def find(provider: Provider) -> Found:
    """Return the credentials to sign with: those given, or those of the chain. Blocks.

    Raises UpstreamRefusedUs where the chain has none. What a helper or a service said of it is not quoted: it may show
    parts of them.
    """
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials  # noqa: F401  # all three for `sign`, which then has them at once

    if not _is_chain(provider.options):
        return Found(provider.credentials)
    return _search(provider.options.get("profile"))


def sign(request: UpstreamRequest, target: Target, *, service: str, region: str) -> UpstreamRequest:
    """Add the headers of the signature, which hold the time: a signed request is good for 5 minutes."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    given = target.provider.credentials
    token = given.get("session_token") or None
    credentials = Credentials(given["access_key_id"], given["secret_access_key"], token)
    signed = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    SigV4Auth(credentials, service, region).add_auth(signed)
    return replace(request, headers={name.lower(): str(value) for name, value in signed.headers.items()})


def _is_chain(options: Mapping[str, Any]) -> bool:
    return options.get("credentials") == "chain"


def _search(profile: str | None) -> Found:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    session = Session(profile=profile)
    limits = {"connect_timeout": CALL_TIMEOUT_S, "read_timeout": CALL_TIMEOUT_S}
    session.set_default_client_config(Config(retries={"total_max_attempts": MAX_CALLS}, **limits))
    whose = f" of profile '{profile}'" if profile else ""
    try:
        credentials = session.get_credentials()
        keys = credentials.get_frozen_credentials() if credentials is not None else None
    # LookupError: a service's answer lacks a field; RuntimeError: what it gave anew has ended as well
    except (BotoCoreError, ClientError, LookupError, OSError, RuntimeError, ValueError) as error:
        raise UpstreamRefusedUs(
            f"looking for the credentials{whose} failed with {type(error).__name__}; correct what the chain finds"
        ) from error
    if keys is None:
        raise UpstreamRefusedUs(
            f"no credentials{whose} in the environment, the shared files, or as the role of this container or machine"
        )
    # Private, and the only place that has it: `refresh_needed` answers for the moment alone.
    ends_at: datetime | None = getattr(credentials, "_expiry_time", None)
    return Found(
        {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, "session_token": keys.token or ""},
        None if ends_at is None else (ends_at - datetime.now(UTC)).total_seconds(),
    )
