"""Taking out of a text what nobody should read in a log: addresses, numbers of cards and accounts, keys.

What is meant to be found is found by its shape, so that some is missed and some is taken for it: a help against
accidents, no anonymisation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.config.model import LogContent

MARGIN_CHARS = 256  # read beyond what is kept: what the cut goes through is still known for what it is

# The order matters: a key may hold what looks like a number of a telephone.
PATTERNS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("key", re.compile(r"\b(?:sk|pk|rk|gw|ghp|gho|xox[abp]|AIza|AKIA)[-_]?[A-Za-z0-9_-]{16,}")),
    ("key", re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")),
    ("key", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")),  # a JWT
    ("key", re.compile(r"(?i)\b(?:password|passwd|secret|api[-_ ]?key|token)\b\"?\s*[:=]\s*\"?[^\s\",;]{3,}")),
    ("email", re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,24}\b")),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")),
    ("card", re.compile(r"\b\d(?:[ -]?\d){12,18}\b")),
    ("ip", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")),
    ("phone", re.compile(r"(?<![\w.])\+?\(?\d(?:[ ()/.-]{0,2}\d){6,14}(?![\w])")),
)


def redacted(text: str, policy: LogContent) -> str:
    """Return the beginning of the text with each thing that was found replaced by its kind."""
    kept = text[: policy.max_chars + MARGIN_CHARS]
    for pattern in policy.redact:
        kept = pattern.sub("[redacted]", kept)
    for kind, pattern in PATTERNS:
        kept = pattern.sub(f"[{kind}]", kept)
    is_whole = len(text) <= policy.max_chars and len(kept) <= policy.max_chars
    return kept if is_whole else kept[: policy.max_chars] + "…"


@dataclass(slots=True)
class Content:
    """The texts of one call as they come."""

    policy: LogContent
    input: str = field(default="", repr=False)
    output: list[str] = field(default_factory=list, repr=False)
    output_chars: int = 0

    def add(self, text: str) -> None:
        if self.output_chars <= self.policy.max_chars + MARGIN_CHARS:
            self.output.append(text)
            self.output_chars += len(text)

    def told(self) -> dict[str, str]:
        """Return what the log says of them."""
        return {"input": redacted(self.input, self.policy), "output": redacted("".join(self.output), self.policy)}
