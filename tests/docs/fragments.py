"""Whether a piece of YAML on a page is sound: merged into the least that it needs to be a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gateway.config.files import Files
from gateway.config.load import read
from tests.harness import ROOT

Document = dict[str, Any]

OF_PROVIDERS = {"providers", "breaker"}  # keys of providers.yaml; all others are of routes.yaml
SECRET = "a-value-of-twenty-four-c"  # of a variable that a page leaves to its reader
LEAST: Document = {
    "version": 1,
    "keys": {"anonymous": "loopback"},
    "routes": [{"path": "/v1/models", "dialect": "openai.models"}],
}
LEAST_PROMPT: Document = {
    "version": 1,
    "model": "fast",
    "template": "{{ document_content }}",
    "input": {"type": "object", "properties": {"document_content": {"type": "string"}}},
}
A_PROMPT = """
models: {fast: {operation: chat, targets: [sandbox/chat]}}
routes: [{path: /own, dialect: prompt, prompt: own.yaml}]
"""


def problems(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a fragment, [] where it is sound, beside the plugins and other files of `folder`."""
    if re.search(r"^(?:template|long_input):", text, re.MULTILINE):
        (folder / "own.yaml").write_text(yaml.safe_dump({**deepcopy(LEAST_PROMPT), **yaml.safe_load(text)}))
        text = A_PROMPT
    files = Files(folder / "routes-fragment.yaml", folder / "providers-fragment.yaml")
    for path, document in zip((files.routes, files.providers), least(text), strict=True):
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), SECRET)
    reading = read(files, environ)
    return [str(problem) for problem in reading.problems if problem.severity == "error"]


def least(text: str) -> tuple[Document, Document]:
    """Return a routes.yaml and a providers.yaml with the fragment in them, and of the default files only what it names.

    A default model is there with its last target, which needs no key; a default provider that the fragment has whole is
    the fragment's.
    """
    routes, providers = documents(text)
    words = set(re.findall(r"[\w*-]+", text))
    rows = {name: row for name, row in default("providers.yaml")["providers"].items() if name in words | {"sandbox"}}
    own = providers.get("providers", {})
    rows |= {name: {} for name, row in own.items() if name in rows and {"plugin", "models"} <= set(row)}
    models = {name: row | {"targets": row["targets"][-1:]} for name, row in default("routes.yaml")["models"].items()}
    named = {name: row for name, row in models.items() if name in words or "*" not in name}
    whole = merge({"version": 1, "providers": deepcopy(rows)}, providers)
    return merge({**deepcopy(LEAST), "models": named}, routes), whole


def documents(text: str) -> tuple[Document, Document]:
    """Return what a fragment says of routes.yaml and of providers.yaml.

    What stands alone is told by what is in it: routes in a list, rows of providers, a provider's models.
    """
    routes: Document = {}
    providers: Document = {}
    for piece in yaml.safe_load_all(text):
        whole = wrapped(piece)
        merge(providers if OF_PROVIDERS & set(whole) else routes, whole)
    return routes, providers


def wrapped(piece: Any) -> Document:
    if isinstance(piece, list):
        return {"routes": piece}
    if all(isinstance(row, dict) for row in piece.values()):
        if all("plugin" in row for row in piece.values()) or set(piece) <= set(default("providers.yaml")["providers"]):
            return {"providers": piece}
        if all("operation" in row and "targets" not in row for row in piece.values()):
            return {"providers": {"acme": {"plugin": "openai", "base_url": "https://acme.example", "models": piece}}}
    whole: Document = piece
    return whole


def merge(into: Document, piece: Mapping[str, Any]) -> Document:
    """Put `piece` into a document: mappings by key, routes by path, anything else in the place of what was there."""
    for key, value in piece.items():
        old = into.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merge(old, value)
        elif key == "routes" and isinstance(old, list):
            into[key] = [row for row in old if row["path"] not in {new["path"] for new in value}] + value
        else:
            into[key] = value
    return into


@cache
def default(name: str) -> Document:
    """Return a file that the project comes with; nobody changes it."""
    found: Document = yaml.safe_load((ROOT / name).read_text())
    return found
