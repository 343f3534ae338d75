"""In which order are a model's targets asked? Its strategy decides, within each group; nobody is left out."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from random import Random

from gateway.config.model import Config
from gateway.middlewares.claims import Factor, plain
from gateway.middlewares.estimate import expected_cost
from gateway.stores.standing import Standing
from gateway.types import Call, Choice, Place, Target

STRATEGY_HEADER = "x-gateway-strategy"
WATCHING = ("fastest", "least-busy")  # the strategies that have to know how attempts went

Ranked = list[tuple[Target, Place]]


def is_watching(config: Config) -> bool:
    """Return whether some model chooses by what became of attempts."""
    return any(alias.choice is not None and alias.choice.strategy in WATCHING for alias in config.models)


class Chooser:
    def __init__(
        self,
        standing: Standing,
        factor: Factor = plain,
        *,
        random: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._standing = standing
        self._factor = factor
        self._random = random or Random()  # shares of traffic are no secret
        self._wall_clock = wall_clock

    def rank(self, call: Call, targets: Sequence[Target]) -> list[Target]:
        """Return `targets`, of one model, in the order in which they are to be asked."""
        groups = _groups(targets)
        if not groups:
            return list(targets)
        ranked = [target for group in groups for target in self._ranked(call, group)]
        if len(ranked) < len(targets):
            ranked += [target for target in targets if target.place is None]  # a pinned provider's own row
        return ranked

    def note(self, call: Call, ranked: Sequence[Target]) -> None:
        """Remember that a call has this order: on its receipt, and for whose turn is next."""
        place = next((target.place for target in ranked if target.place is not None), None)
        if place is None:
            return
        call.receipt.order = tuple([target.name for target in ranked])
        call.receipt.headers[STRATEGY_HEADER] = place.choice.strategy
        if place.choice.strategy == "round-robin":
            for group in _groups(ranked):
                self._standing.take_turn(_rota(group), group[0][1].name)

    def _ranked(self, call: Call, group: Ranked) -> list[Target]:
        choice = group[0][1].choice
        if len(group) == 1:
            return [group[0][0]]
        match choice.strategy:
            case "priority":
                return [target for target, _ in group]
            case "weighted":
                return _by(group, [_lot(self._random.random(), place.weight) for _, place in group])
            case "round-robin":
                return _by(group, self._standing.turns(_rota(group), [place.name for _, place in group]))
            case "fastest":
                return self._fastest([target for target, _ in group])
            case "least-busy":
                counts = [(self._standing.in_flight(target.name), self._random.random()) for target, _ in group]
                return _by(group, counts)
            case "cheapest":
                now_s = self._wall_clock()
                costs = [expected_cost(call, target, now_s, self._factor(target.name)) for target, _ in group]
                return _by(group, [math.inf if cost is None else cost for cost in costs])
            case "sticky":
                subject = subject_of(call, choice)
                return _by(group, [_lot(_fraction(subject, place.name), place.weight) for _, place in group])

    def _fastest(self, targets: list[Target]) -> list[Target]:
        """Of two that are drawn the faster is first: were it always the fastest of all, all would run to it at once.

        One that nobody knows is tried, by one call at a time. It is no fallback as long as others are known.
        """
        drawn = self._random.sample(range(len(targets)), 2)
        first = min(drawn, key=lambda index: self._expected_s(targets[index].name))
        rest = [target for index, target in enumerate(targets) if index != first]
        return [targets[first], *sorted(rest, key=lambda target: self._known_s(target.name))]

    def _expected_s(self, name: str) -> float:
        known = self._standing.latency_s(name)
        if known is not None:
            return known
        return math.inf if self._standing.is_waited_for(name) else 0.0

    def _known_s(self, name: str) -> float:
        known = self._standing.latency_s(name)
        return math.inf if known is None else known


def subject_of(call: Call, choice: Choice) -> str:
    """Return what `sticky` sticks to: the session that the client names, else its key, or address without one."""
    client = call.client
    session = call.head.headers.get(choice.session_header)
    if session:
        return f"{client.tenant}\n{session}"
    return f"{client.tenant}\n{client.name}\n{call.head.remote if client.is_anonymous else ''}"


def _fraction(subject: str, name: str) -> float:
    """Return a number above 0 and below 1 that is always the same for a subject and a target, and evenly spread."""
    digest = hashlib.blake2b(f"{subject}\n{name}".encode(errors="replace"), digest_size=8).digest()
    return ((int.from_bytes(digest) >> 12) + 0.5) / (1 << 52)


def _lot(fraction: float, weight: float) -> float:
    """Return a lot of which the smallest is drawn: as often as `weight` is of the sum of all weights.

    Times until the first event of processes with these rates (Efraimidis and Spirakis, 2006); and whoever goes away
    changes the order of nobody else's (weighted rendezvous hashing).
    """
    return -math.log(fraction) / weight if weight > 0 and fraction > 0 else math.inf


def _groups(targets: Sequence[Target]) -> list[Ranked]:
    """Return those that have a place, group by group, each as they stand."""
    placed = [(target, target.place) for target in targets if target.place is not None]
    if not placed:
        return []
    if all(place.group == placed[0][1].group for _, place in placed):
        return [placed]
    return [list(group) for _, group in groupby(sorted(placed, key=_group), key=_group)]


def _group(item: tuple[Target, Place]) -> int:
    return item[1].group


def _rota(group: Ranked) -> str:
    return f"{group[0][1].choice.model} {group[0][1].group}"


def _by(group: Ranked, keys: Sequence[float] | Sequence[tuple[float, float]]) -> list[Target]:
    order = sorted(range(len(group)), key=lambda index: keys[index])
    return [group[index][0] for index in order]
