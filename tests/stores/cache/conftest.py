"""What these tests have in common."""

from __future__ import annotations

import pytest

from gateway.stores.cache import shared


@pytest.fixture(autouse=True)
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is listened to every 20 ms, not twice a second."""
    monkeypatch.setattr(shared, "BEAT_S", 0.02)
