"""Print docs/configuration-reference.md: every key of schemas/*.schema.json in words. `make reference` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILES = ("providers", "prices", "routes", "prompt")
HEAD = """\
# Every key of the configuration

Written from `schemas/` by `make reference`; what the keys are for is in [configuration.md](configuration.md). `<name>`
is a name of yours, `[]` is each item of a list, and a key in bold has to be there.
"""
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}
WORDS = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "boolean": "true or false"}

Schema = Mapping[str, Any]


class Page:
    """The page of one schema. A definition that stands in several places is described at the first."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._described: dict[str, str] = {}  # reference -> the place where it is described

    def sections(self, schema: Schema, place: str) -> Iterator[str]:
        """Yield the tables of `schema` and of everything in it, outer ones first."""
        schema = self._resolved(schema)
        properties: Mapping[str, Schema] = schema.get("properties", {})
        if properties:
            title = [f"\n### `{place}`\n", f"{schema['description']}\n"] if place else []
            required = schema.get("required", [])
            rows = [self._row(key, row, key in required, place) for key, row in properties.items()]
            yield "\n".join([*title, "| key | value | default | meaning |", "|---|---|---|---|", *rows])
        for key, row in properties.items():
            yield from self._nested(row, f"{place}.{key}" if place else key)

    def _nested(self, schema: Schema, place: str) -> Iterator[str]:
        """Yield the sections of what one value may hold."""
        reference = schema.get("$ref")
        if reference is not None:
            if self._described.setdefault(reference, place) != place:
                return
            schema = self._resolved(schema)
        if "properties" in schema:
            yield from self.sections(schema, place)
        if "items" in schema:
            yield from self._nested(schema["items"], f"{place}[]")
        if isinstance(schema.get("additionalProperties"), Mapping):
            yield from self._nested(schema["additionalProperties"], f"{place}.<name>")
        for choice in schema.get("anyOf", ()):
            yield from self._nested(choice, place)

    def _row(self, key: str, schema: Schema, is_required: bool, place: str) -> str:
        whole = {**self._resolved(schema), **schema}
        default = f"`{_plain(whole['default'])}`" if "default" in whole else ""
        name = f"**`{key}`**" if is_required else f"`{key}`"
        cells = (name, self._value(schema), default, str(whole.get("description", "")))
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    def _value(self, schema: Schema) -> str:
        """Say in a few words what may stand there."""
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(self._value(choice) for choice in schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{_plain(value)}`" for value in schema.get("enum", [schema.get("const")]))
        kind = schema.get("type", "anything")
        names = kind if isinstance(kind, list) else [kind]
        words = " or ".join(WORDS.get(str(name), str(name)) for name in names)
        if "items" in schema:
            words += f" of {self._value(schema['items'])}"
        elif isinstance(schema.get("additionalProperties"), Mapping):
            words += f" of name to {self._value(schema['additionalProperties'])}"
        bounds = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
        return ", ".join([words, *bounds])

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        found: Any = self._root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        resolved: Schema = found
        return resolved


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name in FILES:
        root = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())
        parts += [f"\n## {root['title']}\n\n{root['description']}\n", *Page(root).sections(root, "")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)) + "\n"


if __name__ == "__main__":
    print(page(), end="")
