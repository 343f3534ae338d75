"""`breaker` and `probe` of providers.yaml.

Each key of a breaker is the model's, else its provider's, else the file's, else the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType

from gateway.config.document import Section
from gateway.types import BreakerPolicy, ProbePolicy, Provider

NONE = "none"  # never ejected

_KEYS = tuple(field.name for field in fields(BreakerPolicy) if field.name != "is_on")
_WHOLE = frozenset({"consecutive", "min_requests"})


def compile_breaker(section: Section, inherited: BreakerPolicy) -> BreakerPolicy:
    """Return the policy of one `breaker`, which need not be there. An ejection that is longer than the longest is
    told where it is said."""
    given = section.value
    if given is None:
        return inherited
    if given == NONE:
        return replace(inherited, is_on=False)
    values = {key: int(given[key]) if key in _WHOLE else float(given[key]) for key in _KEYS if key in given}
    policy = replace(inherited, is_on=True, **values)  # type: ignore[arg-type]
    said = [key for key in ("open_s", "max_open_s") if key in given]
    if said and policy.open_s > policy.max_open_s:
        remedy = "give max_open_s as well" if said == ["open_s"] else "give a smaller open_s"
        section.at(said[0]).error(
            f"open_s is {policy.open_s:g} and max_open_s is {policy.max_open_s:g}, which is less; {remedy}"
        )
    return policy


def with_breakers(provider: Provider, section: Section, inherited: BreakerPolicy) -> Provider:
    """Return the provider and its models with the policies that its section gives them."""
    own = compile_breaker(section.at("breaker"), inherited)
    rows: Mapping[str, Section] = dict(section.at("models").each())
    models = {
        name: replace(model, breaker=compile_breaker(rows[name].at("breaker"), own))
        if "breaker" in rows[name]
        else model
        for name, model in provider.models.items()
    }
    return replace(provider, breaker=own, models=MappingProxyType(models), probe=_probe(provider, section.at("probe")))


def _probe(provider: Provider, section: Section) -> ProbePolicy | None:
    given = section.value
    if given is None:
        return None
    if provider.plugin.backend is not None:
        section.error("probe has no meaning here: this provider runs on this machine, inside the gateway", at_key=True)
        return None
    policy = ProbePolicy(given["path"], is_always=given.get("always", False))
    numbers = {key: float(given[key]) for key in ("every_s", "timeout_s") if key in given}
    return replace(policy, **numbers)  # type: ignore[arg-type]
