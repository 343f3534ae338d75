"""Tenants are served in turn; the one of whom most wait loses its newest; nothing is counted wrongly on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.slots.line import Line

TENANTS = ("a", "b", "c")


def line(**waiting: int) -> Line[str]:
    made: Line[str] = Line()
    for tenant, count in waiting.items():
        for number in range(count):
            made.add(tenant, f"{tenant}{number}")
    return made


def served(waiting: Line[str]) -> list[str]:
    return [waiting.next() for _ in range(len(waiting))]


def test_tenants_take_turns_and_each_ones_calls_keep_their_order() -> None:
    assert served(line(a=3, b=1, c=2)) == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_one_call_among_a_thousand_of_another_is_second() -> None:
    waiting = line(flood=1000)
    assert waiting.next() == "flood0"
    waiting.add("quiet", "only")
    assert [waiting.next(), waiting.next()] == ["flood1", "only"]


def test_who_comes_back_at_once_is_behind_all_others() -> None:
    waiting = line(a=1, b=2)
    assert waiting.next() == "a0"
    waiting.add("a", "again")
    assert served(waiting) == ["b0", "again", "b1"]


def test_the_tenant_with_most_loses_its_newest() -> None:
    waiting = line(a=2, b=3)
    assert (waiting.longest, waiting.newest_of_most()) == (3, "b2")
    assert (waiting.longest, len(waiting)) == (2, 4)
    assert served(waiting) == ["a0", "b0", "a1", "b1"]


def test_who_has_left_is_passed_over_and_may_leave_twice() -> None:
    waiting = line(a=2, b=1)
    waiting.remove("a", "a0")
    waiting.remove("a", "a0")
    waiting.remove("nobody", "x")
    assert served(waiting) == ["a1", "b0"]
    assert (len(waiting), waiting.longest) == (0, 0)


def test_how_many_turns_it_takes_is_known_at_the_limit_and_beside_it() -> None:
    assert line().turns_until("a") == 1
    assert line(a=5).turns_until("a") == 6
    assert line(flood=1000).turns_until("quiet") == 2
    assert line(flood=1000, quiet=1).turns_until("quiet") == 4
    assert line(flood=1, other=1).turns_until("quiet") == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(TENANTS)),
        st.tuples(st.just("next"), st.just("")),
        st.tuples(st.just("drop"), st.just("")),
        st.tuples(st.just("leave"), st.integers(0, 40)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_the_line_agrees_with_a_plain_list(steps: list[tuple[str, str | int]]) -> None:
    waiting: Line[int] = Line()
    plain: list[tuple[str, int]] = []
    for number, (step, argument) in enumerate(steps):
        sizes = {tenant: sum(one == tenant for one, _ in plain) for tenant in TENANTS}
        if step == "add":
            turns = waiting.turns_until(str(argument))
            waiting.add(str(argument), number)
            plain.append((str(argument), number))
            assert 1 <= turns <= len(plain)
        elif step == "next" and plain:
            item = waiting.next()
            tenant = next(one for one, other in plain if other == item)
            assert item == min(other for one, other in plain if one == tenant)
            plain.remove((tenant, item))
        elif step == "drop" and plain:
            item = waiting.newest_of_most()
            tenant = next(one for one, other in plain if other == item)
            assert sizes[tenant] == max(sizes.values())
            assert item == max(other for one, other in plain if one == tenant)
            plain.remove((tenant, item))
        elif step == "leave":
            gone = [pair for pair in plain if pair[1] == argument]
            waiting.remove(gone[0][0] if gone else "a", int(argument))
            plain = [pair for pair in plain if pair not in gone]
        sizes = {tenant: sum(one == tenant for one, _ in plain) for tenant in TENANTS}
        assert (len(waiting), waiting.longest) == (len(plain), max(sizes.values()))
        assert all(waiting.of(tenant) == size for tenant, size in sizes.items())
