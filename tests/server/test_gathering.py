"""Everybody's metrics for one: those who answer, who are too busy, and who are gone."""

from __future__ import annotations

from typing import Any

from gateway.server.gathering import PATIENCE_S, Gathering
from gateway.telemetry.merge import Dump, family, merge
from tests.given import Clock


def counted(count: float) -> Dump:
    return [family("calls", "counter", "Calls.", [["calls_total", {}, count]])]


class Line:
    def __init__(self) -> None:
        self.clock = Clock(100.0)
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.gathering: Gathering[str] = Gathering(lambda *message: self.sent.append(message), self.clock)

    def asked(self) -> list[tuple[str, int]]:
        """Return who was asked for his metrics, with the number to answer under, and forget it."""
        found = [(who, content["id"]) for who, kind, content in self.sent if kind == "dump"]
        self.sent = [message for message in self.sent if message[1] != "dump"]
        return found

    def answers(self) -> list[tuple[str, int, float]]:
        """Return who got an answer, under which number, and how many calls it tells of."""
        found = []
        for who, kind, content in self.sent:
            assert kind == "gathered"
            sums = {each["name"]: each["samples"][0][2] for each in merge(content["dumps"])}
            found.append((who, content["id"], sums.get("calls", 0)))
        self.sent.clear()
        return found


def test_the_answer_comes_when_all_have_answered() -> None:
    line = Line()
    line.gathering.begin("a", 7, ["a", "b"], 2)
    (_, number), _ = sorted(line.asked())
    line.gathering.dumped("a", number, counted(1))
    assert line.answers() == []
    line.gathering.dumped("b", number, counted(2))
    assert line.answers() == [("a", 7, 3)]


def test_two_who_ask_get_an_answer_each() -> None:
    line = Line()
    line.gathering.begin("a", 0, ["a", "b"], 2)
    line.gathering.begin("b", 0, ["a", "b"], 2)
    for who, number in line.asked():
        line.gathering.dumped(who, number, counted(5))
    assert line.answers() == [("a", 0, 10), ("b", 0, 10)]


def test_of_one_that_is_too_busy_counts_what_it_said_last() -> None:
    line = Line()
    for later in (1, 10):
        line.gathering.begin("a", later, ["a", "b"], 2)
        for who, number in line.asked():
            if who == "a" or later == 1:
                line.gathering.dumped(who, number, counted(later))
        if later == 1:
            assert line.answers() == [("a", 1, 2)]
    assert line.gathering.due_s == line.clock() + PATIENCE_S
    line.gathering.look(line.gathering.due_s - 0.001)
    assert line.answers() == []
    line.gathering.look(line.gathering.due_s)
    assert line.answers() == [("a", 10, 11)]
    assert line.gathering.due_s == float("inf")


def test_what_a_dead_one_counted_stays_and_its_answer_is_not_waited_for() -> None:
    line = Line()
    line.gathering.begin("a", 1, ["a", "b"], 2)
    for who, number in line.asked():
        line.gathering.dumped(who, number, counted(4))
    line.answers()
    line.gathering.begin("a", 2, ["a", "b"], 2)
    line.gathering.dumped("a", dict(line.asked())["a"], counted(5))
    line.gathering.gone("b")
    assert line.answers() == [("a", 2, 9)]
    line.gathering.gone("a")
    line.gathering.begin("c", 3, ["c"], 2)
    line.gathering.dumped("c", line.asked()[0][1], counted(1))
    assert line.answers() == [("c", 3, 10)]


def test_one_that_asked_and_died_is_not_answered() -> None:
    line = Line()
    line.gathering.begin("a", 1, ["a", "b"], 2)
    numbers = dict(line.asked())
    line.gathering.gone("a")
    line.gathering.dumped("b", numbers["b"], counted(1))
    assert line.answers() == []
    assert line.gathering.due_s == float("inf")
