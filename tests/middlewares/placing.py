"""Targets that have a place among others, and what chooses among them, as tests of strategies use them."""

from __future__ import annotations

from random import Random
from typing import Any

from gateway.middlewares.choice import Chooser
from gateway.stores.standing import Standing
from gateway.types import Choice, Place, Strategy, Target
from tests.given import Clock, target

NAMES = ("a/m", "b/m", "c/m")


def placed(strategy: Strategy, *rows: dict[str, Any], model: str = "fast", **choice: Any) -> tuple[Target, ...]:
    """Return targets that choose by `strategy`; each row has the name of one, fields of its place, and its price."""
    how = Choice(model, strategy, **choice)
    found = []
    for given_row in rows:
        row = dict(given_row)
        name, price, operation = row.pop("name"), row.pop("price", None), row.pop("operation", "chat")
        place = Place(how, row.pop("configured", name), **row)
        found.append(target(name, price=price, place=place, operation=operation))
    return tuple(found)


def rows(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names or NAMES]


def chooser(standing: Standing | None = None, **more: Any) -> Chooser:
    return Chooser(standing or Standing(Clock()), random=Random(20261129), **more)


def ordered_by(choose: Chooser, asked: Any, targets: Any) -> list[Target]:
    """Return the order that a call has, and that the next ones see it had."""
    ranked = choose.rank(asked, targets)
    choose.note(asked, ranked)
    return ranked


def names(targets: Any) -> list[str]:
    return [each.name for each in targets]
