"""prices.yaml compiled: what models cost whose rows do not say so, in sections with their source and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.config.document import Section
from gateway.config.names import unknown
from gateway.config.price import compile_price, is_day
from gateway.types import EMPTY, Price


@dataclass(frozen=True, slots=True)
class PriceSection:
    """The prices of one vendor by its models' names. `origin` says where they are from, for people."""

    origin: str = ""
    models: Mapping[str, Price] = EMPTY


def compile_prices(root: Section, declared: Iterable[str]) -> Mapping[str, PriceSection]:
    """Compile the sections; faults are told where they are. A `declared` one that is faulty is there, but empty."""
    sections = {name: _section(place) for name, place in root.at("sections").each()}
    return MappingProxyType({name: sections.get(name, PriceSection()) for name in declared})


def section_of(provider: str, row: Section, sections: Mapping[str, PriceSection]) -> PriceSection:
    """Return the section that a provider's row names, else the one that is called like it, else an empty one."""
    named = row.get("prices")
    if named is not None and sections and named not in sections:  # without any, prices.yaml has told its fault
        row.at("prices").error(f"section {row.at('prices').show()} is not in prices.yaml{unknown(named, sections)}")
    return sections.get(named or provider, PriceSection())


def _section(place: Section) -> PriceSection:
    day = place.at("date")
    if not is_day(day.value):
        day.error(f"date is {day.show()}, which is no day of the calendar; write it as '2027-01-31'")
    prices = {model: compile_price(row) for model, row in place.at("models").each()}
    return PriceSection(
        f"{place.place()} ({place.get('source')}, {place.get('date')})",
        MappingProxyType({model: price for model, price in prices.items() if price is not None}),
    )
