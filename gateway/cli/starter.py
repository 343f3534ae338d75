"""A configuration to begin with: the bundled files, comments included, less the vendors that nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.config.document import Document
from gateway.config.files import PROVIDERS, ROUTES, bundled
from gateway.config.resolve import WILDCARD
from gateway.config.yaml import parse
from gateway.errors import Problem
from gateway.plugin import load_plugin, needed_credentials

_EDITOR_LINE = re.compile(r"\A# yaml-language-server:.*\n(?:#\n)?")
_ANCHOR = re.compile(r"&(\w+) (\[[^\[\]]*\])")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*):-\}")


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider of the bundled file, and the variables without which it is off."""

    name: str
    operations: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    providers: tuple[str, ...] = ()
    listen: str = ""  # "": as bundled, 127.0.0.1:8001
    has_ledger: bool = True


@dataclass(frozen=True, slots=True)
class Bundled:
    """The bundled files, read once."""

    providers: Document
    routes: Document
    providers_text: str = field(repr=False)
    routes_text: str = field(repr=False)

    @classmethod
    def read(cls) -> Bundled:
        texts = [(bundled() / name).read_text() for name in (PROVIDERS, ROUTES)]
        problems: list[Problem] = []
        documents = [
            parse(text.encode(), name, problems) for text, name in zip(texts, (PROVIDERS, ROUTES), strict=True)
        ]
        providers, routes = documents
        assert providers is not None
        assert routes is not None
        return cls(providers, routes, *texts)

    def vendors(self) -> list[Vendor]:
        """Return those that need a variable; the others work on this machine as they are."""
        found: list[Vendor] = []
        for name, row in self.providers.value["providers"].items():
            if self.is_local(name):
                continue
            operations = sorted({model["operation"] for model in row["models"].values()})
            found.append(Vendor(name, tuple(operations), _needed(row)))
        return found

    def is_local(self, name: str) -> bool:
        return "credentials" not in self.providers.value["providers"][name]

    def kept(self, wanted: Collection[str]) -> list[str]:
        return [name for name in self.providers.value["providers"] if name in wanted or self.is_local(name)]


def providers_yaml(source: Bundled, wanted: Wanted) -> str:
    """Return providers.yaml with the vendors that are wanted, and what serves on this machine."""
    lines = source.providers_text.splitlines(keepends=True)
    names = list(source.providers.value["providers"])
    starts = [_start(lines, source.providers.key_mark(("providers", name)).line - 1) for name in names]
    blocks = {
        name: "".join(lines[start:end])
        for name, start, end in zip(names, starts, [*starts[1:], len(lines)], strict=True)
    }
    head = "".join(lines[: starts[0]])
    text = head + "".join(blocks[name] for name in source.kept(wanted.providers))
    return _EDITOR_LINE.sub("", _with_anchors(text, source.providers_text))


def routes_yaml(source: Bundled, wanted: Wanted) -> str:
    """Return routes.yaml whose models, voices and pass-through name no vendor that is not wanted."""
    kept = source.kept(wanted.providers)
    value = source.routes.value
    text = source.routes_text
    text = _with_section(text, "voices", _voices(value["voices"], kept))
    text = _with_section(text, "models", _models(source, wanted.providers, kept))
    text = _with_proxy(text, source, kept)
    if wanted.listen:
        text = text.replace("${GATEWAY_LISTEN:-127.0.0.1:8001}", f"${{GATEWAY_LISTEN:-{wanted.listen}}}")
    if not wanted.has_ledger:
        text = text.replace("${DATABASE_URL:-sqlite:data/gateway.db}", "${DATABASE_URL:-}")
    return _EDITOR_LINE.sub("", text)


def variables(source: Bundled, names: Iterable[str]) -> list[str]:
    """Return the variables that these providers need, each once."""
    by_name = {vendor.name: vendor.variables for vendor in source.vendors()}
    return list(dict.fromkeys(variable for name in names for variable in by_name.get(name, ())))


# ---------------------------------------------------------------- parts


def _needed(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables, with no default, of the address, the options, and the credentials that the plugin needs."""
    options = row.get("options", {})
    plugin = load_plugin(row["plugin"], (bundled() / "plugins",)).value
    credentials = [row["credentials"].get(name) for name in needed_credentials(plugin, options)]
    texts = [text for text in (row.get("base_url"), *options.values(), *credentials) if isinstance(text, str)]
    return tuple(match[1] for text in texts if (match := _VARIABLE.fullmatch(text)) is not None)


def _start(lines: list[str], at: int) -> int:
    """Return where a block begins: at the comments right above it."""
    while lines[at - 1].lstrip().startswith("#"):
        at -= 1
    return at


def _with_anchors(text: str, whole: str) -> str:
    """Write out the first use of an anchor whose place was left out."""
    for name, value in _ANCHOR.findall(whole):
        used = re.search(rf"\*{name}\b", text)
        anchored = text.find(f"&{name} ")
        if used is not None and (anchored == -1 or used.start() < anchored):
            text = f"{text[: used.start()]}&{name} {value}{text[used.end() :]}"
    return text


def _with_section(text: str, key: str, body: str) -> str:
    """Put another body below a key of the top level, up to the comments of the next one."""
    found = re.search(rf"^{key}:\n(?:(?:[ ].*)?\n)*?(?=(?:#.*\n)*[a-z_]+:)", text, re.MULTILINE)
    assert found is not None, key
    return text[: found.start()] + (f"{key}:\n{body}\n" if body else f"{key}: {{}}\n\n") + text[found.end() :]


def _voices(voices: Mapping[str, Mapping[str, str]], kept: list[str]) -> str:
    rows = {name: {one: voice for one, voice in row.items() if one in kept} for name, row in voices.items()}
    flat = {name: ", ".join(f"{one}: {voice}" for one, voice in row.items()) for name, row in rows.items() if row}
    return "".join(f"  {name}: {{{row}}}\n" for name, row in flat.items())


def _models(source: Bundled, wanted: tuple[str, ...], kept: list[str]) -> str:
    """The models by which clients ask; a vendor whose models none of them names stands before the sandbox."""
    models: dict[str, dict[str, Any]] = source.routes.value["models"]
    lines, patterns = [], []
    for name, row in models.items():
        targets = [target for target in row["targets"] if _provider(target) in kept]
        if WILDCARD in name:
            if any(_provider(target) in wanted for target in targets):
                patterns.append(f"  {name}: {_flow({**row, 'targets': targets})}\n")
            continue
        targets = [*_unnamed(source, wanted, row["operation"]), *targets]
        if row["operation"] == "embeddings":  # vectors of different models cannot be compared with each other
            vendors = [target for target in targets if not source.is_local(_provider(target))]
            targets = [target for target in targets if target not in vendors[1:]]
        lines.append(f"  {name}:\n")
        lines += [f"    {key}: {_flow(value)}\n" for key, value in {**row, "targets": targets}.items()]
    if patterns:
        lines.append("\n  # The vendors' own names, so that existing clients change nothing but their base URL.\n")
    return "".join(lines + patterns)


def _provider(target: Any) -> str:
    """Return whose a target is, which is a text or has a place among others."""
    name = target["target"] if isinstance(target, dict) else target
    return str(name).split("/")[0]


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.safe_dump(value, sort_keys=False, width=10_000, allow_unicode=True, default_flow_style=True)
    return text.strip().removesuffix("\n...")


def _unnamed(source: Bundled, wanted: tuple[str, ...], operation: str) -> list[str]:
    """Return the first model for an operation of each vendor that the bundled models leave out."""
    named = {
        _provider(target)
        for row in source.routes.value["models"].values()
        for target in row["targets"]
        if row["operation"] == operation
    }
    found = []
    for name in wanted:
        rows = source.providers.value["providers"][name]["models"]
        first = next(
            (model for model, row in rows.items() if row["operation"] == operation and WILDCARD not in model), ""
        )
        if first and name not in named:
            found.append(f"{name}/{first}")
    return found


def _with_proxy(text: str, source: Bundled, kept: list[str]) -> str:
    """Keep of the last route, the pass-through, what is for vendors that are wanted."""
    routes = source.routes.value["routes"]
    place = next(number for number, route in enumerate(routes) if route["dialect"] == "proxy")
    allowed = {name: paths for name, paths in routes[place]["allow"].items() if name in kept}
    start = re.search(r"^(?:  #.*\n)+  - path: /proxy/", text, re.MULTILINE)
    assert start is not None
    assert place == len(routes) - 1
    if not allowed:
        return text[: start.start()].rstrip() + "\n"
    head = text[: text.index("    allow:\n", start.start())]
    return head + "    allow:\n" + "".join(f"      {name}: [{', '.join(paths)}]\n" for name, paths in allowed.items())
