"""One model of the foreign price data as a price of ours, and two prices compared. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from gateway.config.price import KINDS
from gateway.config.quantities import MAX_USD

Row = dict[str, Any]  # a price as prices.yaml has it

NANO = Decimal("0.000000001")

_KINDS = {  # of the data -> of ours, and by how much the data's unit is larger
    "input_mtok": ("input_usd_per_mtok", 1),
    "cache_read_mtok": ("cached_input_usd_per_mtok", 1),
    "cache_write_mtok": ("cache_write_usd_per_mtok", 1),
    "output_mtok": ("output_usd_per_mtok", 1),
    "input_audio_mtok": ("input_audio_usd_per_mtok", 1),
    "output_audio_mtok": ("output_audio_usd_per_mtok", 1),
    "input_mchars": ("usd_per_mchar", 1),
    "audio_hours": ("usd_per_audio_minute", 60),
    "input_audio_hours": ("usd_per_audio_minute", 60),
    "requests_kcount": ("usd_per_request", 1000),
}
# Without a price of its own this is charged as that: what a change has to say where the price before it had one.
_ELSE = {
    "cached_input_usd_per_mtok": "input_usd_per_mtok",
    "cache_write_usd_per_mtok": "input_usd_per_mtok",
    "input_audio_usd_per_mtok": "input_usd_per_mtok",
    "output_audio_usd_per_mtok": "output_usd_per_mtok",
}


def row_of(prices: Any, today: str) -> Row | None:
    """Return a model's price: what holds `today`, a day as 2027-01-31, and what changes later.

    None where it has nothing that is counted here, or differs by the hour of the day, which no price here can say.
    """
    dated = [(None, prices)] if isinstance(prices, Mapping) else _dated(prices)
    if dated is None:
        return None
    past = [price for day, price in dated if day is None or day <= today]
    row = _amounts(past[-1]) if past else {}
    if not row:
        return None
    before = row
    changes = []
    for day, price in dated:
        if day is not None and day > today and (change := _amounts(price)):
            before = change = _whole(change, before)
            changes.append({"from": day, **change})
    return row | ({"changes": changes} if changes else {})


def as_of(row: Mapping[str, Any], today: str) -> Row:
    """Return a price of prices.yaml with the changes that `today` has behind it taken in, ready to be compared."""
    now = {key: _number(value) for key, value in row.items() if key in KINDS}
    tiers = row.get("tiers")
    later = []
    for change in row.get("changes", ()):
        if change["from"] > today:
            later.append(_normal(change))
            continue
        now |= {key: _number(value) for key, value in change.items() if key in KINDS}
        tiers = change.get("tiers", tiers)
    return now | ({"tiers": [_normal(tier) for tier in tiers]} if tiers else {}) | ({"changes": later} if later else {})


def written(row: Mapping[str, Any]) -> str:
    """Return a price in one line of YAML."""
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in row.items()) + "}"


def _dated(prices: Any) -> list[tuple[str | None, Any]] | None:
    """Return prices with their first day, the earliest first; None where one is for some hours of the day."""
    found: list[tuple[str | None, Any]] = []
    for item in prices if isinstance(prices, list) else ():
        condition = item.get("constraint") or {}
        if condition and not isinstance(condition.get("start_date"), str):
            return None
        found.append((condition.get("start_date"), item.get("prices")))
    return sorted(found, key=lambda pair: pair[0] or "")


def _amounts(prices: Any) -> Row:
    row: Row = {}
    above: dict[int, Row] = {}
    for key, value in prices.items() if isinstance(prices, Mapping) else ():
        if key not in _KINDS or value is None:
            continue
        name, larger = _KINDS[key]
        is_tiered = isinstance(value, Mapping)
        base = _usd(value.get("base") if is_tiered else value, larger)
        if base is None:
            continue
        row[name] = base
        for tier in value.get("tiers", ()) if is_tiered else ():
            usd = _usd(tier.get("price"), larger)
            if usd is not None and larger == 1:
                above.setdefault(int(tier["start"]), {})[name] = usd
    names = [name for name, _ in _KINDS.values()]
    row = {name: row[name] for name in dict.fromkeys(names) if name in row}
    tiers: list[Row] = []
    for start in sorted(above):
        inherited = {key: value for key, value in tiers[-1].items() if key in KINDS} if tiers else {}
        tiers.append({"above_input_tokens": start, **inherited, **above[start]})
    return row | ({"tiers": tiers} if tiers and row else {})


def _whole(change: Row, before: Row) -> Row:
    """Say in a change all that it would inherit and does not mean."""
    for kind, stands_for in _ELSE.items():
        if kind in before and kind not in change and stands_for in change:
            change[kind] = change[stands_for]
    if "tiers" in before and "tiers" not in change:
        flat = [{key: change.get(key, value) for key, value in tier.items()} for tier in before["tiers"]]
        change["tiers"] = flat
    return change


def _usd(value: Any, larger: int) -> Decimal | None:
    """Return dollars per unit of ours, rounded to whole nano-dollars; None where it is no amount."""
    try:
        usd = Decimal(str(value)) / larger
    except InvalidOperation:
        return None
    return _number(usd.quantize(NANO, ROUND_HALF_UP)) if usd.is_finite() and 0 <= usd <= MAX_USD else None


def _number(value: Any) -> Decimal:
    return Decimal(str(value)).normalize()


def _normal(part: Mapping[str, Any]) -> Row:
    row: Row = {}
    for key, value in part.items():
        row[key] = [_normal(tier) for tier in value] if key == "tiers" else _number(value) if key in KINDS else value
    return row


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
