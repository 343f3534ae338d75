"""docs/configuration-reference.md is what the schemas say, docs/command-reference.md what the commands say."""

from __future__ import annotations

import json
import subprocess
import sys

from gateway.dialects import DIALECTS
from scripts.commands import page
from tests.harness import ROOT

PAGE = (ROOT / "docs" / "configuration-reference.md").read_text()


def test_the_page_is_what_the_schemas_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == PAGE, "schemas/ has changed: make reference"


def test_the_page_has_every_key() -> None:
    def keys(schema: object) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        inner = (keys(value) for name, value in schema.items() if name not in ("examples", "default"))
        return set(schema.get("properties", {})).union(*inner)

    for file in sorted((ROOT / "schemas").glob("*.schema.json")):
        for key in keys(json.loads(file.read_text())):
            assert f"`{key}`" in PAGE, f"{file.name}: {key}"


def test_the_page_of_commands_is_what_they_say() -> None:
    assert page() == (ROOT / "docs" / "command-reference.md").read_text(), "a command has changed: make reference"


def test_an_editor_offers_every_dialect() -> None:
    schema = json.loads((ROOT / "schemas" / "routes.schema.json").read_text())
    assert schema["$defs"]["route"]["properties"]["dialect"]["examples"] == list(DIALECTS)
