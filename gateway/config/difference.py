"""What differs between two configurations, in words: `model fast: openai/a → anthropic/b first`. Nothing secret.

Every field of `Config` and of what is in it is compared, so that a new one needs nothing here. What a field with
`repr=False` holds, and every text among options, is compared and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from gateway.config.model import Config, ModelAlias
from gateway.config.price import KINDS
from gateway.types import NANO_USD, Budget, Choice, Place, Price, Rate, Target

MAX_SHOWN = 80  # characters of one value
MAX_ALIKE = 2  # routes that change alike and are told one by one
_DERIVED = frozenset(
    {"digest", "digests", "files", "warnings", "substitutes", "secret_files"}
)  # of `Config`, from the rest
_SKIPPED = frozenset({"off", "secret_headers", "price_from"})  # of what is in it, likewise
_SKIPPED |= {"link", "_compiled", "_validator", "plugin"}  # made anew at every load, or compared by identity
_ONE_BY_ONE = {"providers": "provider", "models": "model", "routes": "route", "limits": "limit", "voices": "voices of"}

Tree = Any  # mappings of names down to texts, numbers, lists, `_Hidden` and None


@dataclass(frozen=True, slots=True)
class _Hidden:
    value: Any = field(repr=False)


def differences(old: Config, new: Config) -> list[str]:
    """Return what is new, gone or other in `new`, a line each; [] where both were read from the same."""
    if old.digest == new.digest:
        return []
    lines = _gathered(
        [(subject, change) for subject, one, other in _subjects(old, new) for change in _told(one, other)]
    )
    lines += [
        f"provider {name}: the code of its plugin changed"
        for name, provider in new.providers.items()
        if name in old.providers and old.providers[name].plugin is not provider.plugin
    ]
    texts = _changed_files(old, new)
    lines += [f"{text}: its text changed" for text in texts if Path(text).suffix not in (".yaml", ".yml")]
    prompts = {route.prompt.file for config in (old, new) for route in config.routes if route.prompt is not None}
    lines += [f"prompt {text}: its text changed" for text in texts if text in prompts]
    if lines:
        return lines
    return [f"{', '.join(texts) or 'a plugin'}: only what changes no value (comments, order, the code of a middleware)"]


def _changed_files(old: Config, new: Config) -> list[str]:
    return sorted(name for name, digest in new.digests.items() if old.digests.get(name, digest) != digest)


def _subjects(old: Config, new: Config) -> Iterator[tuple[str, Tree, Tree]]:
    """Yield (what it is, as it was, as it is); None: it is not there."""
    for item in fields(Config):
        if item.name in _DERIVED:
            continue
        before, after = getattr(old, item.name), getattr(new, item.name)
        if item.name in _ONE_BY_ONE:
            yield from _pairs(_ONE_BY_ONE[item.name], _named(before), _named(after))
        elif item.name == "keys":
            yield from _pairs("key", _named(before.static), _named(after.static))
            yield from _pairs("issuer", _named(before.issuers), _named(after.issuers))
            yield "keys.anonymous", _who(before), _who(after)
        elif item.name in ("server", "telemetry"):
            yield item.name, _tree(before), _tree(after)
        else:
            yield item.name, _leaf(before, item.repr), _leaf(after, item.repr)


def _who(keys: Any) -> str:
    return "until_keys" if keys.is_until_keys else str(keys.anonymous)


def _named(values: Any) -> dict[str, Any]:
    """Return values by what they are called; of models, those of one name for several operations by both."""
    if isinstance(values, Mapping):
        return dict(values)
    found: dict[str, Any] = {}
    for value in values:
        name = value.pattern if isinstance(value, ModelAlias) else value.name
        found[f"{name} ({value.operation})" if name in found else name] = value
    return found


def _pairs(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Tree, Tree]]:
    for name in (*old, *(name for name in new if name not in old)):
        before, after = old.get(name), new.get(name)
        if before is not after and before != after:
            yield f"{kind} {name}", _tree(before), _tree(after)


# ---------------------------------------------------------------- values as trees


def _tree(value: Any, *, is_secret: bool = False) -> Tree:
    match value:
        case None | bool():
            return value
        case Target():
            return value.name
        case ModelAlias():
            return _fields(value, is_secret) | _choice(value)
        case re.Pattern() | tzinfo():
            return str(value)
        case Price():
            return _dollars(value)
        case Budget():
            return f"{value.limit_nano_usd / NANO_USD:g} USD/{value.period}"
        case (str(unit), Rate() as rate):
            return f"{unit} {rate}"
        case Mapping():
            return {str(name): _tree(item, is_secret=is_secret) for name, item in value.items()}
        case frozenset():
            return sorted(str(item) for item in value)
        case tuple() | list():
            items = [_tree(item, is_secret=is_secret) for item in value]
            names = [item.get("name") for item in items if isinstance(item, dict)]
            is_keyed = bool(items) and len(names) == len(items) and None not in names and len(set(names)) == len(names)
            return dict(zip(map(str, names), items, strict=True)) if is_keyed else items
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value, is_secret)
    return _Hidden(value) if is_secret else value


def _fields(value: Any, is_secret: bool) -> dict[str, Tree]:
    return {
        item.name: _tree(getattr(value, item.name), is_secret=is_secret or not item.repr or item.name == "options")
        for item in fields(value)
        if item.name not in _SKIPPED
    }


def _choice(alias: ModelAlias) -> dict[str, Tree]:
    """How a model chooses, and the place of each of its targets, also where nobody wrote anything of it."""
    choice = alias.choice or Choice(alias.pattern)
    places: dict[str, Tree] = {}
    for target in alias.targets:
        place = target.place or Place(choice, target.name)
        places[target.name] = {"weight": place.weight, "group": place.group, "when": _tree(place.when)}
    return {"choice": _tree(choice), "places": places}


def _leaf(value: Any, is_shown: bool) -> Tree:
    return _tree(value) if is_shown or value in ("", None) else _Hidden(value)


def _dollars(price: Price) -> Tree:
    found = {
        key: f"{amount / NANO_USD:g}"
        for key, name in KINDS.items()
        if key != "usd_per_audio_second" and (amount := getattr(price, name)) is not None
    }
    tiers = {f"above {tier.above_input_tokens} input tokens": _dollars(tier.price) for tier in price.tiers}
    changes = {f"from {change.from_s:.0f}": _dollars(change.price) for change in price.changes}
    return found | tiers | changes


# ---------------------------------------------------------------- words


def _told(old: Tree, new: Tree) -> Iterator[str]:
    if old == new:
        return
    if isinstance(new, dict) and old is None:
        yield f"new{_introduced(new)}"
    elif isinstance(old, dict) and new is None:
        yield "gone"
    elif isinstance(old, dict) and isinstance(new, dict):
        if "off_reason" in new and old["off_reason"] != new["off_reason"]:
            yield "on" if new["off_reason"] is None else f"off, {new['off_reason']}"
        for path, before, after in _leaves(old, new, ()):
            is_told = path == ("off_reason",) or (path[0] == "places" and _ABSENT in (before, after))
            if not is_told:  # by what is said of the provider, or of the targets
                yield _change(path, before, after)
    else:
        yield _change((), old, new)


def _gathered(changes: list[tuple[str, str]]) -> list[str]:
    """Return a line for each; where many routes change alike, as with `defaults`, one for all of them."""
    by_change: dict[str, list[str]] = {}
    for subject, change in changes:
        if subject.startswith("route "):
            by_change.setdefault(change, []).append(subject.removeprefix("route "))
    lines = []
    for subject, change in changes:
        alike = by_change.get(change, []) if subject.startswith("route ") else []
        if len(alike) <= MAX_ALIKE:
            lines.append(f"{subject}: {change}")
        elif subject == f"route {alike[0]}":
            lines.append(f"{len(alike)} routes ({', '.join(alike[:MAX_ALIKE])}, …): {change}")
    return lines


def _introduced(new: Mapping[str, Tree]) -> str:
    if isinstance(targets := new.get("targets"), list):
        return f", {new['operation']} by {', '.join(targets) or 'nobody'}"
    return f", off, {new['off_reason']}" if new.get("off_reason") else ""


def _leaves(old: Mapping[str, Tree], new: Mapping[str, Tree], path: tuple[str, ...]) -> Iterator[Any]:
    for name in (*old, *(name for name in new if name not in old)):
        here = (*path, name)
        if name not in new or name not in old:
            yield here, old.get(name, _ABSENT), new.get(name, _ABSENT)
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from _leaves(old[name], new[name], here)
        elif old[name] != new[name]:
            yield here, old[name], new[name]


_ABSENT = object()


def _change(path: tuple[str, ...], old: Tree, new: Tree) -> str:
    name = f"{'.'.join(path)} " if path else ""
    if path == ("targets",):
        return _reordered(old, new)
    if old is _ABSENT or new is _ABSENT:
        shown = new if old is _ABSENT else old
        value = "" if isinstance(shown, dict | _Hidden) else f" ({_shown(shown)})"
        return f"{name}{'new' if old is _ABSENT else 'gone'}{value}"
    if isinstance(old, _Hidden) and isinstance(new, _Hidden):
        return f"{name}changed"
    return f"{name}{_shown(old)} → {_shown(new)}"


def _reordered(old: Sequence[str], new: Sequence[str]) -> str:
    parts = [f"{old[0]} → {new[0]} first"] if new and old and new[0] != old[0] else []
    came = [name for name in new if name not in old and name not in new[: len(parts)]]
    went = [name for name in old if name not in new]
    parts += [f"also by {', '.join(came)}"] * bool(came) + [f"no longer by {', '.join(went)}"] * bool(went)
    return "; ".join(parts) or f"the order is {', '.join(new)}"


def _shown(value: Tree) -> str:
    match value:
        case None | "":
            text = "none"
        case bool():
            text = "true" if value else "false"
        case _Hidden():
            text = "(hidden)"
        case float():
            text = f"{value:g}"
        case dict():
            text = "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.items() if item) + "}"
        case list() | tuple():
            text = "[" + ", ".join(_shown(item) for item in value) + "]"
        case _:
            text = str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
