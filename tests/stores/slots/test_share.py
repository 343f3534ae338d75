from __future__ import annotations

import pytest

from gateway.stores.slots import ALONE, Share
from gateway.types import Concurrency


@pytest.mark.parametrize("policy", [Concurrency(1), Concurrency(9, 2, 7, 0.5, True)])
def test_one_alone_has_all(policy: Concurrency) -> None:
    assert ALONE.of(policy) == policy


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("most", [8, 9, 100])
def test_shares_add_up_and_none_is_empty(count: int, most: int) -> None:
    shares = [Share(index, count).of(Concurrency(most, queue=most - 5)) for index in range(count)]
    assert sum(share.max for share in shares) == most
    assert sum(share.queue for share in shares) == most - 5
    assert min(share.max for share in shares) >= 1
    assert max(share.max for share in shares) - min(share.max for share in shares) <= 1


@pytest.mark.parametrize(("least", "expected"), [(1, [1, 1, 1]), (3, [1, 1, 1]), (4, [2, 1, 1]), (7, [3, 2, 2])])
def test_an_adaptive_limit_keeps_room_for_one(least: int, expected: list[int]) -> None:
    assert [Share(index, 3).of(Concurrency(7, least)).min for index in range(3)] == expected
