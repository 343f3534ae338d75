"""Which providers are taken out, and for whom one that drains still is there."""

from __future__ import annotations

import pytest

from gateway.stores.switches import State, Switches
from tests.given import call, target

AT = target("vendor/m")


@pytest.mark.parametrize(
    ("state", "reason", "reason_if_pinned"),
    [
        ("enabled", None, None),
        ("draining", "is draining by an admin", None),
        ("disabled", "is disabled by an admin", "is disabled by an admin"),
    ],
)
def test_a_state_says_who_is_served(state: State, reason: str | None, reason_if_pinned: str | None) -> None:
    switches = Switches()
    switches.set("vendor", state)
    assert switches.state("vendor") == state
    assert switches.reason(call(model="fast"), AT) == reason
    assert switches.reason(call(model="vendor/m"), AT) == reason_if_pinned
    assert switches.reason(call(model="m", provider="vendor"), AT) == reason_if_pinned
    assert switches.state("other") == "enabled"
    switches.set("vendor", "enabled")
    assert switches.reason(call(model="fast"), AT) is None
