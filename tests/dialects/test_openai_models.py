"""OpenAI's model list, whole or one by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.dialects.openai_models import OpenAIModels
from gateway.errors import UnknownModel
from gateway.types import Call, Catalog, Listing, ModelCard
from tests.given import call, inbound, stream

DIALECT = OpenAIModels()
CARDS = (
    ModelCard("fast", "chat", "openai", "Quick answers."),
    ModelCard("polly/neural", "speech", "polly"),
    ModelCard("ü", "transcription", "local"),
)


def asked(model: str | None = None) -> Call:
    return call(Catalog(model), operation="models", dialect="openai.models")


async def answer(made: Call, *cards: ModelCard) -> Any:
    found = await DIALECT.encode(made, stream((Listing(cards),)))
    assert found.content_type == "application/json"
    assert isinstance(found.body, bytes)
    return orjson.loads(found.body)


@pytest.mark.parametrize(("params", "wanted"), [({}, None), ({"model": "polly/neural"}, "polly/neural")])
def test_a_name_in_the_path_asks_for_one(params: dict[str, str], wanted: str | None) -> None:
    given = inbound(b"")
    ask = DIALECT.decode(replace(given, head=replace(given.head, params=params)))
    assert (ask.model, ask.body) == ("", Catalog(wanted))


async def test_the_list_names_each_model_with_its_operation_and_owner() -> None:
    found = await answer(asked(), *CARDS)
    assert found["object"] == "list"
    assert [(m["id"], m["object"], m["owned_by"], m["operation"]) for m in found["data"]] == [
        ("fast", "model", "openai", "chat"),
        ("polly/neural", "model", "polly", "speech"),
        ("ü", "model", "local", "transcription"),
    ]
    assert all(type(model["created"]) is int for model in found["data"])
    assert [model.get("description") for model in found["data"]] == ["Quick answers.", None, None]


async def test_an_empty_list_is_a_list() -> None:
    assert await answer(asked()) == {"object": "list", "data": []}


async def test_one_model_stands_alone() -> None:
    found = await answer(asked("fast"), CARDS[0])
    assert (found["id"], found["object"]) == ("fast", "model")


def test_an_unknown_model_is_not_found_as_openai_says_it() -> None:
    error = orjson.loads(DIALECT.encode_error(UnknownModel("no", param="model"), "r1", started=False))["error"]
    assert (error["code"], error["type"], error["param"]) == ("model_not_found", "invalid_request_error", "model")
