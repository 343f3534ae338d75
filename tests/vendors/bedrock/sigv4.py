"""Signature Version 4 recomputed with botocore's own signer: who signed, and was it this very request?"""

from __future__ import annotations

import datetime
import hmac
import re
from collections.abc import Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tests.vendors.recording import RequestRecord

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
MAX_SKEW_S = 300  # AWS refuses requests signed longer ago


def signature_fault(record: RequestRecord, secrets: Mapping[str, str], service: str, region: str) -> str | None:
    """Return the name of AWS's error for a wrong signature, or None for a right one."""
    headers = {name.lower(): value for name, value in record.headers}
    given = headers.get("authorization", "")
    match = AUTHORIZATION.fullmatch(given)
    if match is None:
        return "IncompleteSignatureException" if given else "MissingAuthenticationTokenException"
    key, date, signed_region, signed_service, names, signature = match.groups()
    if key not in secrets:
        return "UnrecognizedClientException"
    stamp = headers.get("x-amz-date", "")
    if (signed_service, signed_region) != (service, region) or not stamp.startswith(date) or _is_stale(stamp):
        return "InvalidSignatureException"
    signed = names.split(";")
    if "host" not in signed or any(name not in headers for name in signed):
        return "InvalidSignatureException"
    wanted = _signature(record, headers, signed, (key, secrets[key], service, region))
    return None if hmac.compare_digest(wanted, signature) else "InvalidSignatureException"


def _is_stale(stamp: str) -> bool:
    try:
        at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return True
    return abs((datetime.datetime.now(datetime.UTC) - at).total_seconds()) > MAX_SKEW_S


def _signature(
    record: RequestRecord, headers: Mapping[str, str], signed: list[str], who: tuple[str, str, str, str]
) -> str:
    """Return what the signature should be. `context["timestamp"]` is botocore's own affair: hence the exact pin."""
    key, secret, service, region = who
    request = AWSRequest(method=record.method, url=f"http://{headers['host']}{record.target}", data=record.body)
    for name in signed:
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    request.context["payload_signing_enabled"] = True
    signer: Any = SigV4Auth(Credentials(key, secret, headers.get("x-amz-security-token")), service, region)
    signer.headers_to_sign = lambda request: _only(request, signed)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signature: str = signer.signature(text, request)
    return signature


def _only(request: Any, names: list[str]) -> Any:
    kept: Any = HTTPHeaders()
    for name in names:
        kept[name] = request.headers[name]
    return kept
