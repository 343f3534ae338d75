"""What users write and read stands on a page: commands, headers, variables, dialects, options, vendors' models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from gateway.cli import COMMANDS
from gateway.dialects import DIALECTS
from gateway.plugin import load_plugin
from gateway.types import Strategy
from tests.harness import ROOT

DOCS = ROOT / "docs"
WRITTEN = [page for page in DOCS.rglob("*.md") if not page.stem.endswith("-reference")]
ALL = "\n".join(page.read_text() for page in WRITTEN)
CODE = "\n".join(path.read_text() for folder in ("gateway", "plugins") for path in (ROOT / folder).rglob("*.py"))

# Set by whoever starts the process and not by whoever runs it.
STARTERS = {"HOME", "INVOCATION_ID", "LISTEN_FDS", "LISTEN_PID", "MAINPID", "PATH", "WATCHDOG_PID"}

VENDORS = {  # page of docs/vendors -> its plugins and, where rows of one plugin are shared out, the rows
    "openai": ["openai"],
    "anthropic": ["anthropic"],
    "gemini": ["gemini"],
    "bedrock": ["bedrock"],
    "google-speech": ["google_tts", "google_stt"],
    "polly": ["polly"],
    "deepgram": ["deepgram"],
    "elevenlabs": ["elevenlabs"],
    "local": ["local_tts", "local_stt"],
}
ROWS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "providers.yaml").read_text())["providers"]


def vendor_page(name: str) -> str:
    return (DOCS / "vendors" / f"{name}.md").read_text()


def test_every_header_of_ours_is_on_the_page_of_clients() -> None:
    headers = set(re.findall(r"x-gateway-[a-z-]+[a-z]", CODE))
    assert len(headers) > 8
    page = (DOCS / "clients.md").read_text()
    assert {name for name in headers if f"`{name}`" not in page} == set()


def test_every_command_is_told_of_and_not_only_listed() -> None:
    assert {name for name in COMMANDS if not re.search(rf"gateway {name}\b", ALL)} == set()


def test_every_variable_that_is_read_is_on_a_page() -> None:
    read = set(re.findall(r"environ(?:\.get\(|\[)[\"']([A-Z][A-Z0-9_]+)", CODE))
    read |= set(re.findall(r"_VARIABLE = \"([A-Z][A-Z0-9_]+)\"", CODE))
    files = "".join((ROOT / name).read_text() for name in ("routes.yaml", "providers.yaml"))
    read |= set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)", files)) - {"VAR"}
    assert len(read) > 20
    assert {name for name in read - STARTERS if name not in ALL} == set()


def test_every_dialect_and_strategy_is_on_a_page() -> None:
    assert {name for name in DIALECTS if f"`{name}`" not in ALL and f"dialect: {name}" not in ALL} == set()
    assert {name for name in get_args(Strategy) if f"`{name}`" not in ALL} == set()


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendors_page_has_its_rows_models_variables_and_options(name: str) -> None:
    page = vendor_page(name)
    for plugin in VENDORS[name]:
        for row in ROWS.values():
            if row["plugin"] == plugin and (plugin != "openai" or row is ROWS["openai"]):
                assert {model for model in row["models"] if f"`{model}`" not in page} == set()
                assert {name for name in re.findall(r"\$\{(\w+)", str(row)) if name not in page} == set()
        found: Any = load_plugin(plugin, (ROOT / "plugins",)).value
        options = {
            *found.options_schema.get("properties", {}),
            *getattr(found, "model_options_schema", {}).get("properties", {}),
        }
        shared = vendor_page("openai-compatible") if plugin == "openai" else ""
        assert {option for option in options if f"`{option}`" not in page + shared} == set()


def test_the_page_on_compatible_vendors_has_each_of_them() -> None:
    page = vendor_page("openai-compatible")
    for name, row in ROWS.items():
        if row["plugin"] == "openai" and name != "openai":
            assert f"| `{name}` |" in page
            assert {model for model in row["models"] if f"`{model}`" not in page} == set()
            assert {variable for variable in re.findall(r"\$\{(\w+)", str(row)) if variable not in page} == set()


def test_every_vendor_has_a_page() -> None:
    told = {plugin for plugins in VENDORS.values() for plugin in plugins} | {"sandbox"}
    assert {row["plugin"] for row in ROWS.values()} == told
    assert {page.stem for page in Path(DOCS / "vendors").glob("*.md")} == {*VENDORS, "openai-compatible"}
