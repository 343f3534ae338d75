"""`limits` of routes.yaml, the quotas of routes and those of keys compiled: each becomes a `Limit`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gateway.config.document import Section
from gateway.config.model import Config
from gateway.config.quantities import UNITS, budget, rate
from gateway.config.resolve import resolve
from gateway.types import Budget, Limit, Operation, Rate, Target

PAID: tuple[Operation, ...] = ("chat", "embeddings", "speech", "transcription", "realtime")


def compile_limits(section: Section, faulty: Collection[str]) -> tuple[Limit, ...]:
    """Return the limits that have a name of their own; faults are reported at their places.

    Of `faulty` ones the schema has refused something: nothing is concluded from what is left of them.
    """
    found = []
    for name, place in section.each():
        faults = len(place.problems)
        limit = compile_limit(name, place)
        if limit is not None:
            found.append(limit)
        elif len(place.problems) == faults and name not in faulty:
            place.error(f"the limit '{name}' limits nothing; give it requests, tokens, concurrent, a budget …")
    return tuple(found)


def substitutes(config: Config) -> Mapping[str, tuple[Target, ...]]:
    """Return the targets of the models that limits and failover name; a name that nothing serves is left out."""
    quotas = (route.quota for route in config.routes if route.quota is not None)
    of_keys = (limit for key in config.keys.static for limit in key.limits)
    names = {model for limit in (*config.limits, *quotas, *of_keys) for model in limit.degrade.values()}
    names |= {
        model for route in config.routes for named in route.failover.fallbacks.values() for model in named.values()
    }
    found: dict[str, tuple[Target, ...]] = {}
    for name in names:
        for operation in PAID:
            alias, targets = resolve(config, name, operation)
            if alias is not None or targets:
                found[name] = (*found.get(name, ()), *targets)
    return MappingProxyType(found)


def compile_webhook(section: Section) -> str:
    """Return the address that alerts are posted to, "" for none. It is never shown: it may hold a token."""
    url = section.value
    if not isinstance(url, str) or not url:
        return ""
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        section.error("webhook is no address; write https://host/path")
    return url


def compile_limit(name: str, section: Section) -> Limit | None:
    """Return what a section says, None where it limits nothing."""
    rates = tuple((unit, found) for key, unit, scale in UNITS for found in _rates(section.at(key), scale))
    budgets = tuple(_budgets(section.at("budget")))
    concurrent = section.get("concurrent")
    if not rates and not budgets and concurrent is None:
        return None
    return Limit(
        name,
        per=tuple(section.get("per", ("key",))),
        rates=rates,
        concurrent=None if concurrent is None else int(concurrent),
        budgets=budgets,
        only=MappingProxyType({key: tuple(patterns) for key, patterns in (section.get("only") or {}).items()}),
        while_away=section.get("while_away", "local_share"),
        degrade=_degrade(section.get("at_budget")),
        alert_percents=tuple(sorted(int(percent) for percent in section.get("alert_percents", ()))),
    )


def _rates(section: Section, scale: int) -> list[Rate]:
    found = []
    for place in _each(section):
        try:
            read = rate(place.value)
        except ValueError as error:
            place.error(f"{section.path[-1]} is {place.show()}, which {error}")
        else:
            found.append(Rate(read.amount * scale, read.window_s))
    return found


def _budgets(section: Section) -> list[Budget]:
    found = []
    for place in _each(section):
        try:
            found.append(budget(place.value))
        except ValueError as error:
            place.error(f"budget is {place.show()}, which {error}")
    return found


def _each(section: Section) -> list[Section]:
    """One text, or a list of them."""
    if isinstance(section.value, str):
        return [section]
    return [place for _, place in section.each()]


def _degrade(policy: Any) -> Mapping[str, str]:
    return MappingProxyType(dict(policy["degrade"]) if isinstance(policy, dict) else {})
