"""LiteLLM's `model_list` as rows of providers.yaml: deployments that share vendor, address and key are one provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.cli.litellm_source import Notes, Secrets, Taker, number, table
from gateway.cli.starter import Bundled
from gateway.config.resolve import WILDCARD

_MODEL_NAME = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:@/+*-]{0,127}")
_ROW_KEYS = ("plugin", "base_url", "options", "timeouts", "convert")  # of the bundled row, that another one begins with


@dataclass(slots=True)
class Deployment:
    """A line of `model_list`: who serves a model that clients ask for."""

    model: str  # as clients name it
    operation: str
    provider: str
    vendor_model: str
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrent: int | None = None
    weight: float | None = None  # among the deployments of one model
    path: tuple[str | int, ...] = ()

    @property
    def target(self) -> str:
        return f"{self.provider}/{self.vendor_model}"


@dataclass(slots=True)
class Rows:
    """Providers by name, as they are written, and the deployments. Filled by `read`."""

    source: Bundled
    notes: Notes
    secrets: Secrets
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    timed: set[str] = field(default_factory=set)  # providers with a timeout of their own
    _names: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def read(self, line: Taker) -> None:
        """Take one line of `model_list`; what cannot be served is left with the reason."""
        params, info = line.at("litellm_params"), line.at("model_info")
        name, full = str(line.take("model_name") or ""), str(params.take("model") or "")
        vendor, model = self._vendor(params, full)
        fault = self._fault(name, full, vendor, model)
        mode = info.take("mode")
        operation = self._operation(vendor, model, mode) if not fault else None
        if not fault and operation is None:
            fault = (
                f"mode {mode} has no counterpart here; served are {', '.join(dict.fromkeys(table().modes.values()))}"
            )
        if fault or operation is None:
            self.notes.leave(line.path, f"{name or 'a model'} ({full or 'no model'}): {fault}")
            return
        provider = self._provider(vendor, params, model)
        if model == WILDCARD:
            self._every(vendor, provider, name, operation, line)
            return
        base = str(info.take("base_model") or "").rpartition("/")[2]
        row = self.rows[provider]["models"].setdefault(model, self._model(vendor, model, operation, base))
        self._prices(row, params, info)
        if (most := number(info.take("max_output_tokens") or info.take("max_tokens"))) is not None:
            row["max_output_tokens"] = int(most)
        for ignored in ("id", "db_model"):
            info.take(ignored)
        deployment = Deployment(name, operation, provider, model, path=line.path)
        deployment.requests_per_min = _whole(params.take("rpm"))
        deployment.tokens_per_min = _whole(params.take("tpm"))
        deployment.weight = number(params.take("weight"))
        deployment.concurrent = _whole(params.take("max_parallel_requests"))
        self.deployments.append(deployment)
        for taker in (params, info, line):
            taker.finish()

    def _every(self, vendor: str, provider: str, name: str, operation: str, line: Taker) -> None:
        """Take a line for all models of a vendor: those that are known, and by a pattern without a prefix any name."""
        known = self.source.providers.value["providers"][vendor]["models"]
        for model, row in known.items():
            self.rows[provider]["models"].setdefault(model, _copied(row))
        if "/" in name:
            why = f"served are the models in the row of {provider}, as {provider}/…; others need a line there"
            self.notes.leave(line.path, f"{name}: {why}")
        else:
            self.deployments.append(Deployment(name, operation, provider, WILDCARD, path=line.path))

    def _vendor(self, params: Taker, full: str) -> tuple[str, str]:
        """Return (row of the bundled providers or "", the vendor's model)."""
        prefix, slash, rest = full.partition("/")
        given = params.take("custom_llm_provider")
        if given:
            return table().vendors.get(str(given), ""), rest if slash and prefix == given else full
        if slash and prefix in table().vendors:
            return table().vendors[prefix], rest
        if slash:
            return "", full
        begun = next((vendor for start, vendor in table().unprefixed.items() if full.startswith(start)), "")
        holding = [name for name, row in self.source.providers.value["providers"].items() if full in row["models"]]
        return begun or next(iter(holding), ""), full

    def _fault(self, name: str, full: str, vendor: str, model: str) -> str:
        if not name or not full:
            return "lacks model_name or litellm_params.model"
        if not vendor:
            return table().unknown_vendor
        if not _MODEL_NAME.fullmatch(name) or not _MODEL_NAME.fullmatch(model):
            return "the name of a model is letters, digits and . _ : @ / + - *, at most 128"
        if WILDCARD in model and (model != WILDCARD or WILDCARD not in name):
            return "a pattern of models that is no * alone, or has one name; name the models one by one"
        return ""

    def _operation(self, vendor: str, model: str, mode: Any) -> str | None:
        if mode is not None:
            return table().modes.get(str(mode))
        row = self.source.providers.value["providers"][vendor]["models"].get(model)
        if row is not None:
            return str(row["operation"])
        return next((operation for part, operation in table().named.items() if part in model.lower()), "chat")

    def _provider(self, vendor: str, params: Taker, model: str) -> str:
        """Return the name of the row, made where no deployment before had the same vendor, address and key."""
        given = {key: params.take(key) for key in (*table().credentials, "api_base", "base_url", "api_version")}
        given |= {key: params.take(key) for key in ("organization", table().region, "timeout", "stream_timeout")}
        headers = params.take("extra_headers") or params.take("headers")
        given["headers"] = headers if isinstance(headers, dict) else None
        identity = (vendor, *(repr(value) for value in given.values()))
        if identity in self._names:
            return self._names[identity]
        name, count = vendor, 2
        while name in self.rows:
            name, count = f"{vendor}-{count}", count + 1
        self._names[identity] = name
        self.rows[name] = self._row(vendor, name, given, (*params.path, "api_base"))
        return name

    def _row(self, vendor: str, name: str, given: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
        bundled = self.source.providers.value["providers"][vendor]
        row = {key: _copied(bundled[key]) for key in _ROW_KEYS if key in bundled}
        variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
        base = given["api_base"] or given["base_url"]
        if base:
            row["base_url"] = self._base_url(vendor, base, given["api_version"], row, path)
        row["credentials"] = dict(bundled["credentials"])
        for key, credential in table().credentials.items():
            if given[key]:
                row["credentials"][credential] = self.secrets.reference(given[key], f"{variable}_{credential.upper()}")
        if base and not given["api_key"] and vendor == table().compatible:
            row.setdefault("options", {})["auth"] = "none"
            row["credentials"] = {}
        if given["organization"]:
            row.setdefault("options", {})["organization"] = self.secrets.reference(
                given["organization"], "", is_secret=False
            )
        if given[table().region]:
            row.setdefault("options", {})["region"] = self.secrets.reference(given[table().region], "", is_secret=False)
        if (total_s := number(given["timeout"])) is not None:
            row["timeouts"] = {**row.get("timeouts", {}), "total_s": plain(total_s)}
            self.timed.add(name)
        if (idle_s := number(given["stream_timeout"])) is not None:
            row["timeouts"] = {**row.get("timeouts", {}), "idle_s": plain(idle_s)}
        if given["headers"]:
            named = given["headers"].items()
            row["headers"] = {key: self.secrets.reference(value, f"{variable}_HEADER") for key, value in named}
        row["models"] = {}
        return row

    def _base_url(self, vendor: str, base: Any, version: Any, row: dict[str, Any], path: tuple[str | int, ...]) -> str:
        """Return the address; that of a dated API needs its own path and query beside it."""
        text = self.secrets.reference(str(base).rstrip("/"), "", is_secret=False)
        if vendor != table().dated:
            if vendor in table().versioned and text.startswith("${"):
                self.notes.leave(path, f"{text[2:-3]} has to end in /v1 here")
                return text
            return f"{text}/v1" if vendor in table().versioned and not text.endswith("/v1") else text
        text = text.replace(":-}", ":-https://not-set.invalid}")  # what is put behind it makes no address of nothing
        if not version or str(version) in ("v1", "preview", "latest"):
            return text if text.endswith("/v1") else f"{text}{table().dated_path}/v1"
        options = row.setdefault("options", {})
        options |= {"prefix": "/deployments/{model}", "query": {"api-version": str(version)}, "api": "chat"}
        return f"{text.removesuffix(table().dated_path)}{table().dated_path}"

    def _model(self, vendor: str, model: str, operation: str, base: str) -> dict[str, Any]:
        """Return the bundled row of the model, or of the one that it is a deployment of: what it takes and costs."""
        providers = self.source.providers.value["providers"]
        rows = [providers[vendor]["models"].get(model), *(providers[one]["models"].get(base) for one in providers)]
        known = next((row for row in rows if row is not None and row["operation"] == operation), None)
        copied: dict[str, Any] = _copied(known) if known is not None else {"operation": operation}
        return copied

    def _prices(self, row: dict[str, Any], params: Taker, info: Taker) -> None:
        price: dict[str, Any] = {}
        for key, (ours, factor) in table().prices.items():
            given = info.take(key)
            given = params.take(key) if given is None else given
            try:
                amount = Decimal(str(given)) * factor if given is not None else None
            except InvalidOperation:
                info.leave(key, "is no number")
                continue
            if amount is not None and amount >= 0:
                price[ours] = plain(amount)
        if price:
            row["price"] = price


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def plain(amount: Decimal | float) -> int | float:
    """Return a number as people write it: 120, not 120.0."""
    return int(amount) if amount == int(amount) else round(float(amount), 9)


def _whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found >= 1 else None
