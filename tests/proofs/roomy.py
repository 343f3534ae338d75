"""The command `gateway` with time for Redis: on a machine that a test keeps busy, being slow is no reason to look away.

A request waits 50 ms for Redis and then goes by its limits' `while_away`, which counts otherwise. What counts exactly
can only be shown by processes that keep looking.
"""

from __future__ import annotations

import sys

from gateway.cli import main
from gateway.stores.limits import shared

if __name__ == "__main__":
    shared.BUDGET_S = 20.0
    sys.exit(main())
