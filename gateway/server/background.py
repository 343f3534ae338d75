"""Work in a thread that the event loop hardly notices."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_S = 0.0005  # Python's own 5 ms would be waited at each turn of the loop, of which a request has several


@contextmanager
def giving_way() -> Iterator[None]:
    """While this holds, a thread that computes lets the others in after half a millisecond."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
