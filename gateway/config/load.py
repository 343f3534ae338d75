"""From the YAML files and the environment to one frozen `Config`: read, check, compile, and check across."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.config import aliases, schema
from gateway.config.coerce import coerce
from gateway.config.document import Document, Mark, Section, is_secret
from gateway.config.dotenv import with_dotenv
from gateway.config.files import Files, bundled, find_files, plugin_folders
from gateway.config.include import Sources, read_document
from gateway.config.keys import compile_keys
from gateway.config.limits import compile_limits, compile_webhook, substitutes
from gateway.config.model import Config
from gateway.config.passage import check_passages
from gateway.config.prices import compile_prices
from gateway.config.prompts import Prompts
from gateway.config.providers import Providers, compile_providers
from gateway.config.prune import sound_part
from gateway.config.routes import LINKS, Routes, compile_routes
from gateway.config.server import compile_server
from gateway.config.stores import compile_cache_stores, compile_database_url, compile_redis_url
from gateway.config.telemetry import compile_telemetry
from gateway.config.validate import Faulty, validate
from gateway.dialects import DIALECTS
from gateway.errors import ConfigError, Problem
from gateway.types import Operation


@dataclass(frozen=True, slots=True)
class Known:
    """What the engine offers to routes: each dialect with its operation, and the links one may stand behind."""

    dialects: Mapping[str, Operation]
    links: Collection[str]

    @classmethod
    def of_the_engine(cls) -> Known:
        return cls({name: dialect.operation for name, dialect in DIALECTS.items()}, LINKS)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading: the configuration where it is sound, and everything there is to say about it."""

    config: Config | None
    problems: tuple[Problem, ...]  # errors and warnings, sorted
    sources: Mapping[str, bytes]  # file -> its content, to quote from
    secrets: tuple[Mark, ...]  # what must not be quoted
    is_parsed: bool  # False: a file is no YAML, so that `secrets` cannot be complete
    documents: tuple[Document | None, ...] = ()  # routes, providers, prices; None: it is no YAML


def load(
    paths: Path | str | Sequence[Path | str],
    environ: Mapping[str, str],
    *,
    known: Known | None = None,
) -> Config:
    """Return the configuration in a folder or in two files; with no path, where `find_files` finds it.

    Raises ConfigError with all that is wrong. Reads files and runs plugins' modules: not for the event loop's thread.
    """
    given = [paths] if isinstance(paths, Path | str) else paths
    reading = read(find_files(given, environ), environ, known=known)
    if reading.config is None:
        raise ConfigError([problem for problem in reading.problems if problem.severity == "error"])
    return reading.config


def read(
    files: Files,
    environ: Mapping[str, str],
    *,
    known: Known | None = None,
) -> Reading:
    """Read the files and say everything about them. Raises nothing for what stands in them."""
    problems: list[Problem] = []
    environ = with_dotenv(files.folders, environ, problems)
    sources = Sources(environ, problems)
    documents = [
        _Checked.of(path, f"{path_schema}.schema.json", sources)
        for path, path_schema in ((files.routes, "routes"), (files.providers, "providers"), (files.prices, "prices"))
    ]
    known = known or Known.of_the_engine()
    compiled = _compile(documents, files, sources, known)
    found = tuple(sorted(set(problems)))
    errors = [problem for problem in found if problem.severity == "error"]
    config = None if errors else replace(compiled, warnings=found, secret_files=_secret_files(documents))
    secrets = tuple(mark for document in documents for mark in document.secrets())
    whole = tuple(document.whole for document in documents)
    return Reading(config, found, sources.files, secrets, None not in whole, whole)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file as it was read, and its part that the schema takes."""

    whole: Document | None
    sound: Document

    @classmethod
    def of(cls, path: Path, schema_name: str, sources: Sources) -> _Checked:
        whole = read_document(path, sources)
        if whole is None:
            return cls(None, Document(str(path), {}))
        rules = schema.read_schema(bundled() / "schemas" / schema_name)
        coerce(whole, rules)
        faults = schema.check(whole, whole.value, rules, sources.problems)
        return cls(whole, sound_part(whole, rules, faults))

    def declared(self, key: str) -> Mapping[str, Any]:
        """What the file has under `key`, with its faults: enough to know which names there are."""
        value = self.whole.value.get(key) if self.whole is not None else None
        return value if isinstance(value, dict) else {}

    def faulty(self, key: str) -> frozenset[str]:
        """Names under `key` of which the schema refused something."""
        sound = self.sound.value.get(key) or {}
        return frozenset(name for name, value in self.declared(key).items() if sound.get(name) != value)

    def secrets(self) -> list[Mark]:
        return [mark for path, mark in self.whole.values.items() if is_secret(path)] if self.whole is not None else []


def _compile(
    documents: Sequence[_Checked],
    files: Files,
    sources: Sources,
    known: Known,
) -> Config:
    routes_file, providers_file, prices_file = documents
    folders = plugin_folders(files)
    root = Section(routes_file.sound, (), routes_file.sound.value, sources.problems)
    providers_root = Section(providers_file.sound, (), providers_file.sound.value, sources.problems)
    declared = providers_file.declared("providers")
    prices_root = Section(prices_file.sound, (), prices_file.sound.value, sources.problems)
    prices = compile_prices(prices_root, prices_file.declared("sections"))
    providers = compile_providers(providers_root, folders, sources.environ, prices)
    voices = aliases.compile_voices(root, declared) if providers_file.whole is not None else {}
    routes = compile_routes(root, known.dialects, known.links, folders, Prompts(sources))
    models = aliases.compile_aliases(root, providers.rows, declared, voices) if providers_file.whole is not None else ()
    config = Config(
        server=compile_server(root.at("server")),
        telemetry=compile_telemetry(root.at("telemetry")),
        keys=compile_keys(root.at("keys")),
        providers=providers.rows,
        models=models,
        routes=tuple(route for route, _ in routes.rows),
        digest=_digest(sources, providers, routes),
        files=tuple(sources.files),
        digests=MappingProxyType({n: hashlib.sha256(data).hexdigest()[:16] for n, data in sources.files.items()}),
        voices=MappingProxyType({name: MappingProxyType(row) for name, row in voices.items()}),
    )
    stores = root.at("stores")
    limits = compile_limits(root.at("limits"), routes_file.faulty("limits"))
    redis_url = compile_redis_url(stores.at("redis_url"))
    config = replace(
        config,
        limits=limits,
        cache_stores=compile_cache_stores(root.at("cache"), files.home, redis_url),
        webhook=compile_webhook(root.at("alerts").at("webhook")),
        redis_url=redis_url,
        database_url=compile_database_url(stores.at("database_url"), files.home),
    )
    if "retention_days" in stores:
        config = replace(config, retention_days=int(stores.get("retention_days")))
    config = replace(config, substitutes=substitutes(config))
    if routes_file.whole is None or providers_file.whole is None:
        return config  # half of it; why is among the problems
    faulty = Faulty(providers_file.faulty("providers"), routes_file.faulty("models"))
    validate(config, routes, (root, providers_root), known.dialects, faulty)
    for route, section in routes.rows:
        if route.allow:
            check_passages(route, section, config, declared)
    return config


def _secret_files(documents: Sequence[_Checked]) -> tuple[str, ...]:
    """Return the files that values were read from, each once."""
    return tuple(
        {
            str(Path(document.whole.value_mark(path).file).parent / name.removeprefix("file:")): None
            for document in documents
            if document.whole is not None
            for path, names in document.whole.variables.items()
            for name in names
            if name.startswith("file:")
        }
    )


def _digest(sources: Sources, providers: Providers, routes: Routes) -> str:
    """Return 8 hexadecimal digits of all that was read; replicas with the same content agree, wherever it lies."""
    parts = [*sources.files.values(), *(text.encode() for text in sources.substituted)]
    parts += [digest.encode() for digest in (*providers.plugin_digests, *routes.plugin_digests)]
    whole = hashlib.sha256()
    for part in parts:
        whole.update(b"%d:%b" % (len(part), part))
    return whole.hexdigest()[:8]
