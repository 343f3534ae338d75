"""Limits are found by their targets, follow the configuration, and are forgotten once nobody runs under them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.config.model import Config, Keys, Server
from gateway.stores.slots import NoSlot, SlotTable, policies_of
from gateway.types import Concurrency, Target
from tests.given import target


def limited(provider: Concurrency | None, model: Concurrency | None) -> Target:
    row = target("vendor/m", concurrency=model)
    provided = replace(row.provider, concurrency=provider, models={"m": row.model})
    return replace(row, provider=provided)


def config(*targets: Target, server: Concurrency | None = None) -> Config:
    providers = {one.provider.name: one.provider for one in targets}
    return Config(Server(concurrency=server), Keys(), providers, (), ())


def test_a_target_is_limited_by_its_model_and_then_its_provider() -> None:
    table = SlotTable()
    both = limited(Concurrency(3), Concurrency(2))
    table.use(config(both))
    assert [(slots.name, slots.limit) for slots in table.of(both)] == [("vendor/m", 2), ("vendor/*", 3)]
    assert table.of(target("vendor/m")) == []
    assert table.of(limited(Concurrency(3), None))[0] is table.of(both)[1]
    assert table.server.policy is None
    assert policies_of(config(target("vendor/m"))) == {}


async def test_a_limit_keeps_its_count_over_reloads_and_is_forgotten_when_it_is_idle() -> None:
    table = SlotTable()
    one = limited(Concurrency(1, queue=0), None)
    table.use(config(one, server=Concurrency(7)))
    slot = await table.of(one)[0].take("a")
    table.use(config())
    assert [slots.name for slots in table.limited()] == []
    table.use(config(one))  # taken away and put back while a call runs: it counts on
    with pytest.raises(NoSlot):
        await table.of(one)[0].take("a")
    slot.release()
    table.use(config())
    table.use(config(one, server=Concurrency(7)))
    assert (table.of(one)[0].running, [slots.name for slots in table.limited()]) == (0, ["server", "vendor/*"])
