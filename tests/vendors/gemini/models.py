"""The models this fake Gemini serves and what each of them accepts: a table, to be corrected as facts come in.

Sources: Google's pages on thinking and on Gemini 3.5 Flash, genai-prices 0.2.3 (2026-11-23). The levels of
gemini-3.8-flash are those of 3.7 and not verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.vendors.faults import split_model
from tests.vendors.gemini.errors import Refusal

Operation = Literal["chat", "embeddings"]


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What one model accepts. `levels` are of Gemini 3, `budget` is of Gemini 2.5; neither is of embeddings."""

    id: str
    operation: Operation
    levels: tuple[str, ...] = ()
    default_level: str = ""
    budget: tuple[int, int] | None = None
    dimensions: int = 0
    input_tokens: int = 1_048_576
    output_tokens: int = 65_536

    @property
    def demands_signatures(self) -> bool:
        """Whether function calls of the current turn need their thought signature."""
        return bool(self.levels)

    def as_json(self) -> dict[str, Any]:
        """Return the model as `GET /models/{id}` does."""
        is_chat = self.operation == "chat"
        methods = ["generateContent", "countTokens", "createCachedContent"] if is_chat else ["embedContent"]
        limits = {"inputTokenLimit": self.input_tokens, "outputTokenLimit": self.output_tokens if is_chat else 1}
        sampling = {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": True}
        named = {
            "name": f"models/{self.id}",
            "version": "001",
            "displayName": self.id,
            "description": f"Fake {self.id}",
        }
        return {**named, **limits, "supportedGenerationMethods": methods, **(sampling if is_chat else {})}


RULES: tuple[ModelRule, ...] = (
    ModelRule("gemini-3.8-flash", "chat", ("LOW", "MEDIUM", "HIGH"), "MEDIUM"),
    ModelRule("gemini-3.1-pro-preview", "chat", ("LOW", "MEDIUM", "HIGH"), "HIGH"),
    ModelRule("gemini-3.1-flash-lite", "chat", ("MINIMAL", "LOW", "MEDIUM", "HIGH"), "MINIMAL"),
    ModelRule("gemini-2.5-pro", "chat", budget=(128, 32_768)),
    ModelRule("gemini-2.5-flash", "chat", budget=(0, 24_576)),
    ModelRule("gemini-embedding-001", "embeddings", dimensions=3072, input_tokens=2048),
    ModelRule("gemini-embedding-2", "embeddings", dimensions=3072, input_tokens=8192),
)
BY_ID = {rule.id: rule for rule in RULES}


def find_model(name: str, operation: Operation | None = None) -> ModelRule:
    """Return a model's rule, the fault suffix of its name left aside; refuse unknown ones and other kinds with 404."""
    rule = BY_ID.get(split_model(name)[0])
    if rule is None or operation not in (None, rule.operation):
        text = f"models/{name} is not found for API version v1beta, or is not supported for this method."
        raise Refusal(f"{text} Call ListModels to see the list of available models.", 404, "NOT_FOUND")
    return rule
