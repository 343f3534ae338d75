"""What `gateway run` says when it serves: where, who does what, who is off and why, and lines to paste."""

from __future__ import annotations

from gateway import __version__
from gateway.config.model import Config
from gateway.dialects import DIALECTS
from gateway.dialects.examples import example

OPERATIONS = ("chat", "embeddings", "speech", "transcription")
NAMED = 4  # of models that the same targets serve; the others are counted


def banner(config: Config, base_url: str, first_key: str | None = None) -> str:
    """Return the lines to print; the first holds the base URL. `first_key` is shown here and nowhere else."""
    served = [f"  {operation:14} {_served_by(config, operation)}" for operation in OPERATIONS]
    off = [f"  {name}: off, {row.off_reason}" for name, row in config.providers.items() if row.off_reason]
    title = f"AI service gateway {__version__} serves at {base_url}"
    return "\n".join([title, "", *served, "", *off, "", *_first(first_key), *_to_paste(config, base_url), ""])


def _served_by(config: Config, operation: str) -> str:
    """The models of an operation with the targets that serve them, first choice first."""
    served: dict[str, list[str]] = {}
    for alias in config.models:
        if alias.operation == operation and alias.targets and "*" not in alias.pattern:
            served.setdefault(", ".join(target.name for target in alias.targets), []).append(alias.pattern)
    rows = [f"{_named(models)} → {targets}" for targets, models in served.items()]
    return ("\n" + " " * 17).join(rows) if rows else "nobody"


def _named(models: list[str]) -> str:
    rest = f" and {len(models) - NAMED} more" if len(models) > NAMED else ""
    return ", ".join(models[:NAMED]) + rest


def _first(key: str | None) -> list[str]:
    if key is None:
        return []
    return ["The first key of this store, for /admin (docs/admin.md). It is shown this once:", f"  {key}", ""]


def _to_paste(config: Config, base_url: str) -> list[str]:
    """A line for each route that has an example and a model that works now."""
    models: dict[str, str] = {}
    for alias in config.models:
        if alias.targets and "*" not in alias.pattern:
            models.setdefault(alias.operation, alias.pattern)
    lines = [
        example(route.dialect, base_url + route.path, models[operation])
        for route in config.routes
        if (operation := DIALECTS[route.dialect].operation) in models
    ]
    key = " -H 'authorization: Bearer YOUR-KEY'" if config.keys.anonymous == "never" else ""
    title = "Try it, with one of your keys:" if key else "Try it:"
    return [title, *(f"  {line}{key}" for line in lines if line is not None)]
