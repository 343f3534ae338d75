"""The OpenAPI document as one page of HTML that needs nothing from outside: its style and script stand in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import orjson

JsonObject = Mapping[str, Any]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<header>
<h1>{title}</h1>
<p class="dim">Version {version} · <a href="/openapi.json">openapi.json</a></p>
</header>
<main>
<div class="tools" role="search">
<label for="filter">Filter</label>
<input id="filter" type="search" autocomplete="off" placeholder="path or word; press / to come here">
<span id="count" class="dim" role="status"></span>
<button id="open" type="button">Open all</button>
<button id="close" type="button">Close all</button>
</div>
{body}
</main>
<script>{script}</script>
</html>
"""


def page(document: JsonObject) -> bytes:
    """Return the page. Whatever the document says is text in it, never markup."""
    info = document["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        style=_read("page.css"),
        script=_read("page.js"),
        body="\n".join((*_sections(document), *_schemas(document["components"]["schemas"]))),
    ).encode()


@cache
def content_policy() -> str:
    """Return the Content-Security-Policy of the page: its own style and script by their hashes, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash('page.css')}; script-src {_hash('page.js')}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _sections(document: JsonObject) -> Iterator[str]:
    for tag in document["tags"]:
        name = tag["name"]
        yield f'<section aria-labelledby="tag-{escape(name)}"><h2 id="tag-{escape(name)}">{escape(name)}</h2>'
        if "description" in tag:
            yield f"<p>{escape(tag['description'])}</p>"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if name in operation["tags"]:
                    yield _operation(method, path, operation)
        yield "</section>"


def _operation(method: str, path: str, operation: JsonObject) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>"] if "description" in operation else []
    if operation["parameters"]:
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{_schema(one['schema'])}</tr>"
            for one in operation["parameters"]
        )
        parts.append(f"<h3>Parameters</h3><table><tr><th>Name<th>In<th>Schema</tr>{rows}</table>")
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body: {escape(kind)}</h3>{_schema(media['schema'])}")
    for status, response in operation["responses"].items():
        parts.append(f"<h3>Answer: {escape(status)}</h3><p>{escape(response['description'])}</p>")
        parts.extend(_schema(media["schema"]) for media in response.get("content", {}).values())
    return (
        f'<details><summary><span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code> '
        f'<span class="dim">{escape(operation["summary"])}</span></summary><div>{"".join(parts)}</div></details>'
    )


def _schemas(schemas: JsonObject) -> Iterator[str]:
    yield '<section aria-labelledby="schemas"><h2 id="schemas">Schemas</h2>'
    for name, schema in schemas.items():
        yield (
            f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<div>{_schema(schema)}</div></details>"
        )
    yield "</section>"


def _schema(schema: JsonObject) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<p><a href="#schema-{name}">{name}</a></p>'
    return f'<pre tabindex="0">{escape(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())}</pre>'


@cache
def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _hash(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_read(name).encode()).digest()).decode()}'"
