"""Secrets that are none: what stands in examples."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(
    r"change[-_ ]?me|placeholder|dummy|replace[-_ ]?(me|this|with)|(insert|your)[-_ ]?(api[-_ ]?)?(key|secret|token)"
    r"|\.\.\.|…|^<.*>$|^(test|example|default|secret|password)+$",
    re.IGNORECASE,
)
_MIN_DISTINCT = 5  # fewer different characters are "xxxxxxxxxxxxxxxxxxxx"


def is_placeholder(secret: str) -> bool:
    """Return whether a secret is one that stands in examples."""
    return bool(_PLACEHOLDER.search(secret)) or len(set(secret)) < _MIN_DISTINCT
