"""`gateway keys import`: keys that were made elsewhere, all of a file or none."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click

from gateway.admin.schemas import LIMITS, NAME, ROLE, SCOPES, TAGS, TENANT, Schema, exactly
from gateway.cli.keys_file import FORMATS, RowFault, read_rows
from gateway.config.keys import is_well_known, moment, weakness
from gateway.config.model import Config
from gateway.shape import compile_shape
from gateway.stores.keys.store import KeyStore, StoredKey, TakenDigests
from gateway.stores.keys.terms import TermFault, write_limits, write_tags
from gateway.types import Scopes

_TEXT: Schema = {"type": "string"}
_ROW: dict[str, Schema] = {
    "name": NAME,
    "tenant": TENANT,
    "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$(?!\\n)"},
    "key": _TEXT,
    "role": ROLE,
    "scopes": SCOPES,
    **SCOPES["properties"],  # as routes.yaml has them
    "expires": _TEXT,
    "limits": LIMITS,
    "tags": TAGS,
}


def import_keys(file: str, config: Config) -> int:
    """Take all keys of a file and return how many. Raises ClickException with every fault, LedgerAway."""
    rows = list(read_rows(_read(file), None if file == "-" else _form(file)))
    faults: list[tuple[int, str]] = []
    keys: list[tuple[int, StoredKey]] = []
    shape, now = compile_shape(exactly(_ROW, optional=tuple(name for name in _ROW if name != "name"))), time.time()
    for line, row in rows:
        found = [str(row)] if isinstance(row, RowFault) else [str(fault) for fault in shape.faults(row)]
        if not found and not isinstance(row, RowFault):
            try:
                keys.append((line, _key(row, now)))
            except RowFault as fault:
                found = [str(fault)]
        faults += [(line, said) for said in found]
    faults += _twins(keys, {key.digest: key.name for key in config.keys.static})
    if not rows:
        raise click.ClickException(f"{file} holds no keys")
    if not faults:
        try:
            KeyStore(config.database_url).add([key for _, key in keys])
        except TakenDigests as taken:
            faults = [
                (line, f"'{key.name}' has the secret of {taken.holders[key.digest]}, which is there already")
                for line, key in keys
                if key.digest in taken.holders
            ]
    if faults:
        said = "\n".join(f"line {line}: {message}" for line, message in sorted(faults))
        raise click.ClickException(f"nothing was imported:\n{said}")
    return len(keys)


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is no UTF-8 at byte {error.start}") from error


def _form(file: str) -> str:
    form = FORMATS.get(Path(file).suffix.lower())
    if form is None:
        raise click.BadParameter(f"{file} ends in none of {', '.join(FORMATS)}; rename it, or give it as - (stdin)")
    return form


def _key(row: Mapping[str, Any], now: float) -> StoredKey:
    """Return the key of a row that has its shape. Raises RowFault."""
    name = row["name"]
    scopes = {part: row[part] for part in Scopes.__slots__ if part in row}
    if both := sorted(scopes.keys() & row.get("scopes", {}).keys()):
        raise RowFault(f"'{name}' gives {both[0]!r} twice: by itself and in 'scopes'")
    scopes |= row.get("scopes", {})
    expires_at = None
    if "expires" in row:
        expires_at = moment(row["expires"])
        if expires_at is None:
            raise RowFault(f"'{name}': 'expires' is no date; write 2027-01-31, or 2027-01-31T18:00:00Z")
    try:
        limits, tags = write_limits(row.get("limits", {})), write_tags(row.get("tags", {}))
    except TermFault as error:
        raise RowFault(f"'{name}': {error}") from error
    return StoredKey(
        id="",
        name=name,
        tenant=row.get("tenant", name),
        digest=_digest(row),
        scopes=Scopes(**{part: tuple(values) for part, values in scopes.items()}),
        created_at=now,
        expires_at=expires_at,
        role=row.get("role", "user"),
        limits=limits,
        tags=tags,
    )


def _digest(row: Mapping[str, Any]) -> bytes:
    name = row["name"]
    if ("key" in row) == ("sha256" in row):
        raise RowFault(f"'{name}' needs either 'key' or 'sha256'")
    if "key" in row:
        if fault := weakness(row["key"]):
            raise RowFault(f"the secret of '{name}' {fault}")
        return hashlib.sha256(row["key"].encode()).digest()
    digest = bytes.fromhex(cast(str, row["sha256"]))
    if is_well_known(digest):
        raise RowFault(f"'{name}' has the hash of an empty or well-known secret; make another")
    return digest


def _twins(keys: list[tuple[int, StoredKey]], declared: Mapping[bytes, str]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with a secret that stands twice: a request could not say which of them it means."""
    seen: dict[bytes, tuple[int, str]] = {}
    for line, key in keys:
        if key.digest in declared:
            yield line, f"'{key.name}' has the secret of '{declared[key.digest]}', which routes.yaml declares"
        elif key.digest in seen:
            first, other = seen[key.digest]
            yield line, f"'{key.name}' has the secret of '{other}' on line {first}"
        else:
            seen[key.digest] = (line, key.name)
