"""Foreign price data read for `gateway prices update`: the package that has it, its wheel, or JSON of the same content.

The package ships its data as one Python module of nothing but constructors (version 0.2.3, 2026-11). It is read and not
run: that needs none of the package's own dependencies, and a file that was downloaded executes nothing.
"""

from __future__ import annotations

import ast
import importlib.metadata
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any

PACKAGE, MODULE = "genai-prices", "genai_prices/data.py"
MAX_BYTES = 67_108_864  # the module has 1.6 MB

Rows = Mapping[str, Mapping[str, Any]]  # a vendor's models: name -> {"prices": …}


class UnreadableData(Exception):
    """The data is not there, or not in a form that is known."""


@dataclass(frozen=True, slots=True)
class PriceData:
    """`source` names it with its version; `vendors` has the models of each vendor by the vendor's id."""

    source: str
    vendors: Mapping[str, Rows]


def read_installed() -> PriceData:
    """Read the package that is installed beside the gateway. Raises UnreadableData."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise UnreadableData(
            f"the package {PACKAGE} is not installed; `pip install {PACKAGE}`, or give its wheel or JSON by --from"
        ) from error
    try:
        text = Path(str(package.locate_file(MODULE))).read_bytes()
    except OSError as error:
        raise UnreadableData(f"{PACKAGE} cannot be read: {error.strerror}") from error
    return PriceData(f"{PACKAGE} {package.version}", _vendors(_module(text)))


def read_file(path: Path) -> PriceData:
    """Read a wheel of the package, its module of data, or JSON of the same content. Raises UnreadableData."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                if wheel.getinfo(MODULE).file_size > MAX_BYTES:
                    raise UnreadableData(f"{MODULE} in {path} is larger than {MAX_BYTES} bytes")
                text = wheel.read(MODULE)
            name, version = path.name.split("-")[:2]
            return PriceData(f"{name.replace('_', '-')} {version}", _vendors(_module(text)))
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise UnreadableData(f"{path} cannot be read: {error}") from error
    if len(text) > MAX_BYTES:
        raise UnreadableData(f"{path} is larger than {MAX_BYTES} bytes")
    is_module = PurePosixPath(path.name).suffix == ".py"
    return PriceData(path.name, _vendors(_module(text) if is_module else _json(text)))


def _json(text: bytes) -> Any:
    import json  # the standard one: it keeps decimals as they are written

    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise UnreadableData(f"the data is not JSON: {error}") from error


def _module(text: bytes) -> Any:
    """Return what the module assigns to `providers`, every constructor as a mapping of its arguments."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UnreadableData(f"the data is no Python module: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "providers":
            return _plain(node.value)
    raise UnreadableData("the module of data assigns no 'providers'")


def _plain(node: ast.expr | None) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [_plain(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_plain(key): _plain(value) for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=str(text))]):
            return _decimal(text)
        case ast.Call(func=ast.Attribute(attr="date"), args=[*parts]) if len(parts) == 3:
            return date(*map(_plain, parts)).isoformat()
        case ast.Call(args=[], keywords=named):
            return {argument.arg: _plain(argument.value) for argument in named}
        case ast.Call():
            return None  # a time of day, say: nothing of ours
        case _:
            raise UnreadableData(f"line {getattr(node, 'lineno', 0)} of the data has an expression that is not known")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise UnreadableData(f"{text!r} in the data is no number") from error


def _vendors(found: Any) -> dict[str, Rows]:
    rows = found.get("providers") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise UnreadableData("the data is no list of vendors with their models")
    return {row["id"]: _models(row) for row in _mappings(rows) if isinstance(row.get("id"), str)}


def _models(row: Mapping[str, Any]) -> Rows:
    """Return the models by their ids, and by the further names that the data gives in full."""
    models = [model for model in _mappings(row.get("models")) if isinstance(model.get("id"), str)]
    named = {name: model for model in models for name in _equals(model.get("match"))}
    return named | {model["id"]: model for model in models}


def _equals(clause: Any) -> Iterator[str]:
    """The names in a clause of matching that stands for nothing else: `or` in JSON is `or_` in the module."""
    if not isinstance(clause, dict):
        return
    if isinstance(clause.get("equals"), str):
        yield clause["equals"]
    for inner in clause.get("or") or clause.get("or_") or ():
        yield from _equals(inner)


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
