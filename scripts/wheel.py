"""Puts the defaults and the plugins, which are read as files, into the wheel under gateway/bundled/.

A hook and not a table in pyproject.toml, because an editable installation must not get copies: there the files are read
from the project's own folders. Only a wheel for others carries them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = ("docs", "docs/clients", "docs/vendors")  # the sandbox answers from them
BUNDLED = ("routes.yaml", "providers.yaml", "prices.yaml", "schemas", "plugins", "prompts")


class BundledFiles(BuildHookInterface):
    """Hatchling calls `initialize` before it gathers a wheel's files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to a wheel of the "standard" `version`; the other is "editable"."""
        if version != "standard":
            return
        root = Path(self.root)
        pages = sorted(str(page.relative_to(root)) for folder in PAGES for page in (root / folder).glob("*.md"))
        for name in (*BUNDLED, *pages):
            build_data["force_include"][str(root / name)] = f"gateway/bundled/{name}"
