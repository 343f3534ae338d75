"""`semantic` of a route's cache: compiled, and checked against the models there are."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gateway.config.document import Section
from gateway.config.model import Config, Route, Semantic
from gateway.config.names import unknown


def compile_semantic(cache: dict[str, Any]) -> Semantic | None:
    """Return the policy that the section of a cache has, if any."""
    if "semantic" not in cache:
        return None
    given, default = cache["semantic"], Semantic("", 1.0)
    return Semantic(
        model=given["model"],
        threshold=float(given["threshold"]),
        max_questions=int(given.get("max_questions", default.max_questions)),
        timeout_s=float(given.get("timeout_s", default.timeout_s)),
        is_paced=cache.get("pace") == "original",
    )


def check_semantic(route: Route, section: Section, config: Config, root: Section, faulty: frozenset[str]) -> None:
    """Report a model that is none of embeddings, and a missing library. `faulty` models are told elsewhere."""
    policy = route.cache.semantic if route.cache is not None else None
    if policy is None:
        return
    place = (section if "cache" in section else root.at("defaults")).at("cache").at("semantic")
    known = [alias.pattern for alias in config.models if alias.operation == "embeddings"]
    if policy.model not in known and policy.model not in faulty:
        place.at("model").error(f"model '{policy.model}' is not in models for embeddings{unknown(policy.model, known)}")
    if find_spec("numpy") is None:
        place.error("cache.semantic needs the package numpy; install it: pip install 'ai-service-gateway[semantic]'")
    else:
        import_module("numpy")  # here, where no request waits for it
