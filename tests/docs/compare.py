"""Whether what a page shows is what was said. `…` stands for what differs each time, alone on a line for any lines."""

from __future__ import annotations

import json
import re
from typing import Any

ANY = "…"


def unlike_text(shown: str, said: str) -> str | None:
    """Return the first line of `shown` that was not said in its place; None where all were."""
    rest = [line.rstrip() for line in said.splitlines()]
    skips = False
    for line in shown.rstrip().splitlines():
        if line.strip() == ANY:
            skips = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split(ANY)))
        place = next((number for number, real in enumerate(rest) if pattern.fullmatch(real)), None)
        if place is None or (place > 0 and not skips):
            return f"{line!r}, and there is {rest[:3]}"
        rest, skips = rest[place + 1 :], False
    return f"no more, and there is {rest[:3]}" if rest and not skips else None


def unlike_json(shown: Any, said: Any, place: str = "") -> str | None:
    """Return where the shape of `shown` is not that of `said`: other fields, or values of another kind."""
    if isinstance(shown, dict) and isinstance(said, dict):
        if set(shown) != set(said):
            return f"{place or 'the whole'} has {sorted(said)}, and the page {sorted(shown)}"
        found = (unlike_json(value, said[name], f"{place}.{name}") for name, value in shown.items())
        return next((wrong for wrong in found if wrong), None)
    if isinstance(shown, list) and isinstance(said, list):
        return unlike_json(shown[0], said[0], f"{place}[0]") if shown and said else None
    numbers = (int, float)
    if type(shown) is type(said) or (isinstance(shown, numbers) and isinstance(said, numbers)):
        return None
    return f"{place or 'the whole'} is {json.dumps(said)}, and on the page {json.dumps(shown)}"
