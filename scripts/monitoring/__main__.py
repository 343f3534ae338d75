"""Writes deploy/'s dashboards and alert rules: `make dashboards`."""

from __future__ import annotations

from pathlib import Path

from scripts.monitoring.files import files

ROOT = Path(__file__).parents[2]

for name, text in files().items():
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(name)
