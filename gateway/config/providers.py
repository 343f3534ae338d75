"""providers.yaml compiled: each row becomes a `Provider` with its plugin, or says why it is off."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from gateway.config.breakers import compile_breaker, with_breakers
from gateway.config.coerce import coerce
from gateway.config.concurrency import compile_concurrency
from gateway.config.document import Section
from gateway.config.failover import compile_timeouts
from gateway.config.foreign import check_plugin, check_voices
from gateway.config.names import did_you_mean
from gateway.config.placeholder import is_placeholder
from gateway.config.price import compile_price
from gateway.config.prices import PriceSection, section_of
from gateway.config.schema import check, schema_fault
from gateway.plugin import Loaded, Plugin, PluginError, Worker, available, load_plugin, needed_credentials
from gateway.types import BreakerPolicy, Model, Provider, Timeouts

_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Providers:
    """The rows that could be compiled, in the file's order, and the content of every plugin they use."""

    rows: Mapping[str, Provider]
    plugin_digests: tuple[str, ...]


def compile_providers(
    root: Section, folders: Sequence[FilePath], environ: Mapping[str, str], prices: Mapping[str, PriceSection]
) -> Providers:
    """Compile the rows of `providers`; a model without a price takes its section's. Faults are told where they are."""
    rows: dict[str, Provider] = {}
    digests: set[str] = set()
    breaker = compile_breaker(root.at("breaker"), BreakerPolicy())
    for name, section in root.at("providers").each():
        loaded = _plugin(section, folders)
        if loaded is None:
            continue
        digests.add(loaded.digest)
        row = _provider(name, section, loaded.value, environ, section_of(name, section, prices))
        try:
            check_voices(loaded, row)
        except PluginError as error:
            section.at("plugin").error(f"plugin {section.at('plugin').show()} has a fault: {error.message}")
        else:
            rows[name] = with_breakers(row, section, breaker)
    return Providers(MappingProxyType(rows), tuple(sorted(digests)))


def _plugin(section: Section, folders: Sequence[FilePath]) -> Loaded | None:
    place = section.at("plugin")
    try:
        loaded = load_plugin(place.value, folders)
        check_plugin(loaded, section.get("options") or {})
    except PluginError as error:
        names = available(folders)
        guess = "" if place.value in names else did_you_mean(place.value, names)
        place.error(f"plugin {place.show()} does not load: {error.message}{guess}")
        return None
    return loaded


def _provider(
    name: str, section: Section, plugin: Plugin, environ: Mapping[str, str], prices: PriceSection
) -> Provider:
    _check_options(section, plugin, plugin.options_schema)
    timeouts = compile_timeouts(section.get("timeouts"))
    models = {
        key: replace(_model(key, row, name, plugin, prices), timeouts=_own_timeouts(row, timeouts))
        for key, row in section.at("models").each()
    }
    return Provider(
        name=name,
        plugin=plugin,
        base_url=_base_url(section, plugin),
        credentials=MappingProxyType(dict(section.get("credentials") or {})),
        headers=MappingProxyType(dict(section.get("headers") or {})),
        secret_headers=_secret_headers(section.at("headers")),
        timeouts=timeouts,
        models=MappingProxyType(models),
        prices=prices.models,
        options=MappingProxyType(section.get("options") or {}),
        off_reason=_off_reason(section, plugin, environ),
        is_standby=section.get("standby", False),
        drop=section.get("drop", "warn"),
        convert=section.get("convert", False),
        concurrency=compile_concurrency(section.at("limits")),
        proxy=section.get("proxy", "none"),
        warm_connections=section.get("warm_connections", 0),
    )


def _secret_headers(section: Section) -> frozenset[str]:
    """Return the names of headers whose values came from the environment or a file, or which are there for a secret."""
    return frozenset(name for name, row in section.each() if row.is_substituted or _SECRET_HEADER.search(name))


def _check_options(section: Section, plugin: Plugin, rules: Any) -> None:
    """Check `options` by the plugin's own schema, at their own places; absent ones count as empty."""
    if fault := schema_fault(rules):
        section.error(f"the plugin's options_schema is faulty: {fault}")
        return
    options = section.at("options")
    coerce(section.document, rules, options.path)
    check(section.document, section.get("options", {}), rules, section.problems, options.path)


def _base_url(section: Section, plugin: Plugin) -> str:
    place = section.at("base_url")
    if section.get("base_url") == "":
        return ""  # off: see _off_reason
    url: str = section.get("base_url") or plugin.default_base_url
    if plugin.backend is not None:
        if "base_url" in section:
            place.error("base_url has no meaning here: this provider runs on this machine, inside the gateway")
        return ""
    if not url:
        section.error("base_url is missing, and the plugin has no default", at_key=True)
        return ""
    if not _URL.fullmatch(url) or "/../" in f"{url}/" or "/./" in f"{url}/":
        place.error(f"base_url is {place.show()}; write https://host/path, without user, query or '#'")
    return url.rstrip("/")


def _off_reason(section: Section, plugin: Plugin, environ: Mapping[str, str]) -> str | None:
    """Return why the provider cannot serve: switched off, a credential that is not there, a package that is not."""
    if not section.get("enabled", True):
        return f"disabled in {section.at('enabled').place()}"
    if section.get("base_url") == "":
        return _empty(section.at("base_url"), "base_url", environ)
    credentials = section.at("credentials")
    for needed in needed_credentials(plugin, section.get("options") or {}):
        if credentials.get(needed):
            if is_placeholder(credentials.get(needed)):
                credentials.at(needed).warn(f"credentials.{needed} looks like a placeholder")
            continue
        given = [key for key in credentials.value or {} if key not in plugin.credentials]
        if needed not in credentials and (guess := did_you_mean(needed, given)):
            credentials.error(
                f"credentials lacks '{needed}'{guess.replace('did you mean', 'there is').replace('?', '')}"
            )
        return _missing_credential(credentials, needed, environ)
    return _missing_package(plugin)


def _missing_credential(credentials: Section, needed: str, environ: Mapping[str, str]) -> str:
    place = credentials.at(needed)
    if needed not in credentials:
        return f"credentials.{needed} is not given"
    return _empty(place, f"credentials.{needed}", environ)


def _empty(place: Section, name: str, environ: Mapping[str, str]) -> str:
    """Say that a setting is empty, by the name of the variable that it was to come from where there is one."""
    variables = place.document.variables.get(place.path, ())
    if not variables:
        return f"{name} is empty"
    if variables[0].startswith("file:"):
        return f"{variables[0].removeprefix('file:')} is empty"
    return f"{variables[0]} is {'empty' if variables[0] in environ else 'not set'}"


def _missing_package(plugin: Plugin) -> str | None:
    """Say which module is not there: of a worker's, or of those that the plugin itself names in `requires`."""
    needy: object = plugin.backend if isinstance(plugin.backend, Worker) else plugin
    for module in getattr(needy, "requires", ()):
        if not _is_importable(module):
            hint = getattr(needy, "install_hint", "")
            return f"{module} is not installed" + (f"; {hint}" if hint else "")
    return None


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _model(name: str, section: Section, provider: str, plugin: Plugin, prices: PriceSection) -> Model:
    if "options" in section:
        _check_options(section, plugin, getattr(plugin, "model_options_schema", plugin.options_schema))
    operation = section.get("operation")
    if operation not in plugin.operations():
        able = ", ".join(sorted(plugin.operations()))
        section.at("operation").error(
            f"model '{provider}/{name}' is for {operation}, which its plugin cannot do (it can: {able})"
        )
    own = compile_price(section.at("price"))
    price = prices.models.get(name) if own is None else own
    return Model(
        name=name,
        operation=operation,
        price=price,
        live_price=compile_price(section.at("live_price")),
        price_from="" if price is None else prices.origin if own is None else section.at("price").place(),
        formats=frozenset(section.get("formats", ())),
        containers=frozenset(section.get("containers", ())),
        max_chars=_whole(section, "max_chars"),
        max_bytes=_whole(section, "max_bytes"),
        max_upload_bytes=_whole(section, "max_upload_bytes"),
        max_audio_s=None if section.get("max_audio_s") is None else float(section.get("max_audio_s")),
        convert=section.get("convert"),
        max_output_tokens=_whole(section, "max_output_tokens"),
        context_tokens=_whole(section, "context_tokens"),
        modalities=frozenset(section.get("modalities", ())),
        refuses=frozenset(section.get("refuses", ())),
        refuses_while_reasoning=frozenset(section.get("refuses_while_reasoning", ())),
        default_reasoning_effort=section.get("default_reasoning_effort", "none"),
        drop=section.get("drop"),
        concurrency=compile_concurrency(section.at("limits")),
        description=section.get("description"),
        options=MappingProxyType(section.get("options") or {}),
    )


def _own_timeouts(section: Section, inherited: Timeouts) -> Timeouts | None:
    given = section.get("timeouts")
    return None if given is None else compile_timeouts(given, inherited)


def _whole(section: Section, key: str) -> int | None:
    value = section.get(key)
    return None if value is None else int(value)  # JSON Schema counts 4096.0 as an integer
