"""How a model chooses among its targets: `strategy`, `shadow` and what stands beside a target, compiled."""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.document import Section
from gateway.config.model import Config
from gateway.config.names import unknown
from gateway.config.whens import compile_when
from gateway.middlewares.claims import is_per_target
from gateway.types import SESSION_HEADER, Choice, Operation, Place, Shadow, Target

WEIGHED = ("weighted", "sticky")  # the strategies for which a weight says something
SHADOWS_IN_FLIGHT = 10
TargetOf = Callable[[Section], Target | None]


def compile_choice(model: str, section: Section, target_of: TargetOf) -> Choice | None:
    """Return how a model chooses; None where its targets are asked in their order, and nothing else is said.

    `target_of` returns the target that a section names; None where it is off, or means nothing, which is reported.
    """
    strategy = section.get("strategy", "priority")
    if "session_header" in section and strategy != "sticky":
        section.at("session_header").error("session_header goes with strategy 'sticky' only", at_key=True)
    shadow = _shadow(section.at("shadow"), target_of) if "shadow" in section else None
    entries = [entry for _, entry in section.at("targets").each()]
    for entry in entries:
        if "weight" in entry and strategy not in WEIGHED:
            entry.at("weight").error(
                f"weight goes with strategy 'weighted' or 'sticky', and this is '{strategy}'", at_key=True
            )
    if strategy == "priority" and shadow is None and not any("when" in entry or "group" in entry for entry in entries):
        return None
    return Choice(model, strategy, section.get("session_header", SESSION_HEADER).lower(), shadow)


def compile_place(choice: Choice | None, name: str, entry: Section, operation: Operation) -> Place | None:
    """Return the place of the targets that one entry of `targets` means; `name` is a target's, as it is configured."""
    when = compile_when(entry.at("when"), operation) if "when" in entry else None
    if choice is None:
        return None
    return Place(choice, name, float(entry.get("weight", 1)), int(entry.get("group", 1)), when)


def _shadow(section: Section, target_of: TargetOf) -> Shadow | None:
    target = target_of(section.at("target"))
    if target is None:
        return None
    return Shadow(target, float(section.get("percent")), int(section.get("in_flight", SHADOWS_IN_FLIGHT)))


def check_choices(config: Config, root: Section) -> None:
    """Report conditions on a budget that is none, or that is not known before a target is asked."""
    budgets = {limit.name for limit in config.limits if limit.budgets and not is_per_target(limit)}
    for name, model in root.at("models").each():
        for _, entry in model.at("targets").each():
            place = entry.at("when").at("budget_left").at("limit")
            if place.value is not None and place.value not in budgets:
                place.error(
                    f"model '{name}' asks what is left of '{place.value}', which is no limit with a budget"
                    f"{' by key, tenant, route, operation or model' * (place.value in _names(config))}"
                    f"{unknown(place.value, budgets)}"
                )


def _names(config: Config) -> set[str]:
    return {limit.name for limit in config.limits}
