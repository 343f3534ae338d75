"""Every dashboard there is, and what none of them shows."""

from __future__ import annotations

from scripts.monitoring.traffic import LATENCY, OVERVIEW, PROVIDERS
from scripts.monitoring.usage import LIMITS, PROCESS, USAGE, VOICE

DASHBOARDS = (OVERVIEW, LATENCY, PROVIDERS, VOICE, USAGE, LIMITS, PROCESS)

# Families that no panel shows, with the reason.
NOT_SHOWN = {
    "process_virtual_memory_bytes": "address space, most of which is never used: it says nothing that anybody acts on",
}
