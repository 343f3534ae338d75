"""Take what a schema refused out of a document, so that the rest can still be checked against everything else."""

from __future__ import annotations

from typing import Any

from gateway.config.document import Document, Path
from gateway.config.schema import check
from gateway.config.subschemas import Schema


def sound_part(document: Document, schema: Schema, faults: set[Path]) -> Document:
    """Return the document without its faulty values, and without what is incomplete for lack of them.

    Ends because every round removes something; faults of the root itself stay.
    """
    while removable := {path for path in faults if path}:
        document = _without(document, removable)
        faults = check(document, document.value, schema, [])
    return document


def _without(document: Document, faults: set[Path]) -> Document:
    """Return a copy without the values at `faults`; what follows in a list moves up, its places with it."""
    pruned = Document(document.file, None)

    def copy(value: Any, old: Path, new: Path) -> Any:
        for source, target in zip(document.tables(), pruned.tables(), strict=True):
            if old in source:
                target[new] = source[old]
        if isinstance(value, dict):
            kept = {key: item for key, item in value.items() if (*old, key) not in faults}
            return {key: copy(item, (*old, key), (*new, key)) for key, item in kept.items()}
        if isinstance(value, list):
            indices = [index for index in range(len(value)) if (*old, index) not in faults]
            return [copy(value[index], (*old, index), (*new, place)) for place, index in enumerate(indices)]
        return value

    root = copy(document.value, (), ())
    return Document(pruned.file, root, pruned.keys, pruned.values, pruned.texts, pruned.variables)
