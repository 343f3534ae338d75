"""How a recording comes in: as a file of a form, as the body itself, or by the address of one that the vendor fetches.

Which of these a route takes is its `inputs`. The gateway fetches nothing: an address is only handed on, so what it
names has to be in reach of anybody.
"""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.audio.probe import Facts, Unreadable, probe
from gateway.dialects.fields import parse_object
from gateway.errors import InvalidRequest
from gateway.types import Inbound, Sound, Upload

MAX_URL_CHARS = 4_096
URL_FIELD = "url"
_LOCAL_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
_NOTHING = Upload("", "application/octet-stream", 0, io.BytesIO())


def read_values(inbound: Inbound) -> tuple[tuple[tuple[str, str], ...], dict[str, list[str]]]:
    """Return the text fields as sent and by name, wherever they stand: in the form, the query, or a JSON object.

    Clients send arrays as `name[]`.
    """
    if inbound.form is not None:
        fields = inbound.form.fields
    elif inbound.upload is not None:
        fields = tuple(parse_qsl(inbound.head.raw_query, keep_blank_values=True))
    else:
        fields = tuple(_members(parse_object(inbound.body).raw))
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return fields, values


def read_audio(
    inbound: Inbound, values: dict[str, list[str]], names: Sequence[str]
) -> tuple[Upload, str | None, Facts]:
    """Return the file, or an empty one and its address, and what it is. Takes the address out of `values`."""
    given = values.pop(URL_FIELD, [])
    name, upload = _upload(inbound, names)
    if given:
        if upload is not None or len(given) > 1:
            raise InvalidRequest(f"'{URL_FIELD}' stands for the recording: give it once, and no file", param=URL_FIELD)
        return _NOTHING, checked_url(given[0]), Facts("", None, Sound())
    if upload is None:
        raise InvalidRequest(f"'{names[0]}' must be one uploaded file; there is none", param=names[0])
    try:
        return upload, None, probe(upload.file)
    except Unreadable as error:
        raise InvalidRequest(f"'{name}' ({upload.filename[:60]!r}) {error}", param=name) from error


def checked_url(url: str) -> str:
    """Return an address that may be handed to a vendor. Raises InvalidRequest for one within this network only."""
    fault = _url_fault(url)
    if fault is not None:
        raise InvalidRequest(f"'{URL_FIELD}' {fault}", param=URL_FIELD)
    return url


def read_temperature(text: str | None, most: int) -> float | None:
    """Return a form's `temperature`, None where it has none. Raises InvalidRequest beyond 0 to `most`."""
    if text is None:
        return None
    try:
        temperature = float(text)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= most:
        raise InvalidRequest(
            f"'temperature' must be a number from 0 to {most}; it is {text[:60]!r}", param="temperature"
        )
    return temperature


def _upload(inbound: Inbound, names: Sequence[str]) -> tuple[str, Upload | None]:
    if inbound.form is None:
        return names[0], inbound.upload
    files = [(name, file) for name, file in inbound.form.files if name in names]
    if len(files) > 1:
        raise InvalidRequest(f"'{names[0]}' must be one uploaded file; there are {len(files)}", param=names[0])
    return files[0] if files else (names[0], None)


def _members(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a JSON object as a form would have it."""
    fields: list[tuple[str, str]] = []
    for name, item in value.items():
        is_list = isinstance(item, list)
        for one in item if is_list else [item]:
            if one is None:
                continue
            if isinstance(one, dict | list):
                raise InvalidRequest(f"'{name[:60]}' must be a text, a number or a list of them", param=name[:60])
            text = ("true" if one else "false") if isinstance(one, bool) else str(one)
            fields.append((f"{name}[]" if is_list else name, text))
    return fields


def _url_fault(url: str) -> str | None:
    if len(url) > MAX_URL_CHARS:
        return f"is longer than {MAX_URL_CHARS} characters"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds characters that an address does not carry as they stand; percent-encode them"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with https:// or http:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or a password"
    return f"names {host[:60]!r}, which only this network could reach" if _is_local(host) else None


def _is_local(host: str) -> bool:
    name = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        digits = name.replace(".", "").removeprefix("0x")
        is_number = digits.isdigit() or name.startswith("0x")  # 2130706433 and 0x7f.1 are addresses to some
        return is_number or "." not in name or name.endswith(_LOCAL_NAMES)
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
