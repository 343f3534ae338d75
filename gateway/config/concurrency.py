"""How many calls run at once: `concurrent` and `queue` of the server, and `limits` of a provider and a model."""

from __future__ import annotations

from gateway.config.document import Section
from gateway.types import Concurrency


def compile_concurrency(section: Section) -> Concurrency | None:
    """Return what the keys of a section say; None where they limit nothing. Faults are reported at their places."""
    place = section.at("concurrent")
    if place.value is None:
        return None
    default = Concurrency(1)
    least: int | None = None
    if isinstance(place.value, dict):
        most = int(place.get("max"))
        if place.get("adaptive"):
            least = int(place.get("min", 1))
        if "min" in place and place.get("min") > most:
            place.at("min").error(f"concurrent.min is {place.at('min').show()}, more than max, {most}")
    else:
        most = int(place.value)
    queue = section.at("queue")
    return Concurrency(
        most,
        least,
        int(queue.get("max", default.queue)),
        float(queue.get("max_wait_s", default.max_wait_s)),
        section.get("at_limit") == "wait",
    )
