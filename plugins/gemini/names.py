"""Gemini's model names: which may stand in a URL, and what a name says of the model."""

from __future__ import annotations

import re

from gateway.errors import InvalidRequest
from gateway.types import Target

VENDOR = "gemini"  # whose thinking this plugin sends back: see gateway.types.Thinking
NEWEST_KNOWN = 3  # the generation of a name that tells none (gemini-flash-latest): what is current

# Lower-case letters, digits and dashes as of 2026-11-23; a tuned model has its collection before it. No '..', no '/'.
_NAME = re.compile(r"(?:(?:models|tunedModels)/)?[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}", re.ASCII)
_GENERATION = re.compile(r"(?:models/)?gemini-(\d+)", re.ASCII)


def resource(target: Target) -> str:
    """Return the model as the API names it, `models/<name>`. Raises InvalidRequest for what must not be in a URL."""
    name = target.model.name
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"model {name[:100]!r} is no name of a Gemini model: letters, digits, '-', '_' and '.' only", param="model"
        )
    return name if "/" in name else f"models/{name}"


def generation(target: Target) -> int:
    """Return 2 for gemini-2.5-flash: what a model takes and demands of thinking goes by it."""
    match = _GENERATION.match(target.model.name)
    return int(match.group(1)) if match else NEWEST_KNOWN
