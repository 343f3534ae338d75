"""A reload of several workers: all or none, whoever fails, changes, dies or hangs meanwhile."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from gateway.config.model import Config, Keys, Server
from gateway.errors import ConfigError, Problem
from gateway.server.line import Worker
from gateway.server.notify import Notifier
from gateway.server.rounds import ROUND_S, Rounds

OLD = Config(Server(workers=2), Keys(), {}, (), (), digest="old")
NEW = replace(OLD, digest="new")
FAULT = Problem("routes.yaml", 3, 1, "no")


@dataclass(eq=False)
class Hand:
    """Stands for a worker; keeps what it was sent."""

    index: int
    pid: int
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, kind: str, **content: Any) -> None:
        self.heard.append((kind, content))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.heard]


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hands = [Hand(0, 1000), Hand(1, 1001)]
        self.found: Config | ConfigError = NEW
        self.killed: list[tuple[int, int]] = []
        monkeypatch.setattr("os.kill", lambda pid, number: self.killed.append((pid, number)))
        workers = cast(list[Worker], self.hands)
        self.rounds = Rounds(OLD, self.load, lambda: workers, Notifier({}))

    def load(self) -> Config:
        if isinstance(self.found, ConfigError):
            raise self.found
        return self.found

    def begin(self) -> None:
        self.rounds.is_wanted = True
        self.rounds.look(0.0)

    def prepared(
        self, hand: int, digest: str | None = "new", problems: tuple[list[Any], ...] = (), number: int = 1
    ) -> None:
        message = {"is": "prepared", "round": number, "digest": digest, "problems": list(problems)}
        self.rounds.prepared(cast(Worker, self.hands[hand]), message)

    def applied(self, hand: int, generation: str = "2-new", number: int = 1) -> None:
        message = {"is": "applied", "round": number, "generation": generation}
        self.rounds.applied(cast(Worker, self.hands[hand]), message)

    def changed(self, hand: int) -> None:
        self.rounds.changed(cast(Worker, self.hands[hand]))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_all_apply_once_all_have_loaded(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    assert [hand.kinds for hand in scene.hands] == [["reload"], ["reload"]]
    assert scene.rounds.serves == "1-old"
    scene.prepared(1)
    assert [hand.kinds for hand in scene.hands] == [["reload", "apply"]] * 2
    assert scene.rounds.serves == "2-new"
    scene.applied(0)
    scene.applied(1)
    assert scene.rounds.due_s == float("inf")
    assert scene.killed == []


def test_one_that_cannot_load_stops_all(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    scene.prepared(1, None, (["a.yaml", 1, 2, "no"],))
    assert [hand.kinds for hand in scene.hands] == [["reload", "abort"]] * 2
    assert scene.hands[0].heard[-1][1]["problems"] == [["a.yaml", 1, 2, "no"]]
    assert (scene.rounds.serves, scene.rounds.is_wanted) == ("1-old", False)


def test_what_the_supervisor_cannot_load_reaches_nobody(scene: Scene) -> None:
    scene.found = ConfigError([FAULT])
    scene.begin()
    assert [hand.heard for hand in scene.hands] == [[("refused", {"problems": [["routes.yaml", 3, 1, "no"]]})]] * 2
    assert (scene.rounds.serves, scene.rounds.due_s) == ("1-old", float("inf"))


def test_files_that_change_meanwhile_are_loaded_once_more(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0, "newer")
    scene.prepared(1)
    assert [hand.kinds for hand in scene.hands] == [["reload", "abort"]] * 2
    assert scene.rounds.due_s == 0.0
    scene.rounds.look(0.0)
    assert scene.hands[0].kinds[-1] == "reload"


def test_one_that_dies_while_it_loads_ends_the_round_which_begins_anew(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    scene.changed(1)
    assert scene.hands[0].kinds == ["reload", "abort"]
    assert (scene.rounds.serves, scene.rounds.is_wanted) == ("1-old", True)


def test_one_that_comes_or_goes_after_it_has_loaded_begins_it_anew_too(scene: Scene) -> None:
    """What starts in its place has the configuration that serves, and would miss the one to come."""
    scene.begin()
    scene.prepared(0)
    scene.changed(0)
    assert scene.hands[1].kinds == ["reload", "abort"]
    assert scene.rounds.is_wanted
    scene.rounds.look(0.0)
    scene.prepared(1)  # which belongs to the round that is over
    scene.prepared(0, number=2)
    assert scene.rounds.serves == "1-old"
    scene.prepared(1, number=2)
    assert scene.rounds.serves == "2-new"


def test_without_a_round_it_is_nothing_to_it(scene: Scene) -> None:
    scene.changed(0)
    assert scene.hands[1].kinds == []
    assert scene.rounds.due_s == float("inf")


def test_one_that_dies_while_it_applies_is_not_waited_for(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    scene.prepared(1)
    scene.changed(0)
    scene.applied(1)
    assert (scene.rounds.serves, scene.rounds.due_s) == ("2-new", float("inf"))


def test_one_that_serves_something_else_than_it_should_ends(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    scene.prepared(1)
    scene.applied(0, "1-old")
    assert scene.killed == [(1000, signal.SIGTERM)]


def test_one_that_hangs_while_it_loads_stops_the_reload(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    due_s = scene.rounds.due_s
    scene.rounds.look(due_s - 0.001)
    assert scene.hands[0].kinds == ["reload"]
    scene.rounds.look(due_s)
    assert scene.hands[0].kinds == ["reload", "abort"]
    assert f"worker 1 did not load it within {ROUND_S:g} s" in scene.hands[0].heard[-1][1]["problems"][0][3]
    scene.prepared(1)  # too late, and of no use
    assert scene.rounds.serves == "1-old"


def test_one_that_hangs_while_it_applies_is_killed(scene: Scene) -> None:
    scene.begin()
    scene.prepared(0)
    scene.prepared(1)
    scene.applied(0)
    scene.rounds.look(scene.rounds.due_s)
    assert scene.killed == [(1001, signal.SIGKILL)]
    assert (scene.rounds.serves, scene.rounds.due_s) == ("2-new", float("inf"))


def test_a_second_one_waits_for_the_first(scene: Scene) -> None:
    scene.begin()
    scene.begin()
    assert scene.hands[0].kinds == ["reload"]
    scene.prepared(0)
    scene.prepared(1)
    scene.applied(0)
    scene.applied(1)
    scene.rounds.look(0.0)
    assert scene.hands[0].heard[-1] == ("reload", {"round": 2})
