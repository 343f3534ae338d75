"""The document names every endpoint once, with references that lead somewhere; the page needs nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from gateway.admin.openapi import document
from gateway.admin.page import page
from gateway.admin.routes import ROUTES
from gateway.config.load import load
from tests.admin.house import House
from tests.harness import ROOT

METHODS = {"get", "put", "post", "delete", "patch"}


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


def faults(found: dict[str, Any]) -> list[str]:
    """Return what is wrong with a document, by what OpenAPI 3.1 asks of one as ours."""
    wrong = [] if re.fullmatch(r"3\.1\.\d+", found["openapi"]) else ["openapi"]
    wrong += [key for key in ("title", "version") if not found["info"].get(key)]
    ids = []
    for path, operations in found["paths"].items():
        wrong += [path] * (not path.startswith("/"))
        for method, operation in operations.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            wrong += [where] * (method not in METHODS or not operation["responses"])
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            wrong += [where] * (declared != set(re.findall(r"\{(\w+)\}", path)))
            wrong += [where for one in operation["parameters"] if one["in"] == "path" and not one["required"]]
            wrong += [where for tag in operation["tags"] if tag not in {tag["name"] for tag in found["tags"]}]
            for need in operation["security"]:
                wrong += [where for name in need if name not in found["components"]["securitySchemes"]]
    wrong += [one for one in ids if ids.count(one) > 1]
    for node in nodes(found):
        if isinstance(node, dict) and "$ref" in node:
            name = node["$ref"].removeprefix("#/components/schemas/")
            wrong += [] if name in found["components"]["schemas"] else [node["$ref"]]
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    return wrong


async def test_the_document_is_public_and_sound_and_has_every_admin_route(house: House) -> None:
    async with house.client.get("/openapi.json") as answer:
        assert answer.status == 200
        found = await answer.json()
    assert faults(found) == []
    for route in ROUTES:
        assert found["paths"][route.path][route.method.lower()]["security"] == [{"key": []}]
    chat = found["paths"]["/v1/chat/completions"]["post"]
    assert (chat["x-operation"], chat["x-dialect"]) == ("chat", "openai.chat")


def test_the_document_of_the_default_files_is_sound() -> None:
    assert faults(document(load(ROOT, {}).routes)) == []


def test_a_fault_of_a_document_is_seen() -> None:
    found = document(load(ROOT, {}).routes)
    found["paths"]["/admin/keys"]["get"]["operationId"] = "make_key"
    found["paths"]["/admin/keys/{id}"]["get"]["parameters"] = []
    found["components"]["schemas"].pop("Error")
    assert {"make_key", "get /admin/keys/{id}", "#/components/schemas/Error"} <= set(faults(found))


async def test_the_page_needs_nothing_from_outside(house: House) -> None:
    async with house.client.get("/docs") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        policy = answer.headers["content-security-policy"]
        text = await answer.text()
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""(?:src|href)=["'](?!#|/openapi\.json)|@import|url\(|style=|\son\w+=""", text)
    for route in ROUTES:
        assert f"<code>{route.path}</code>" in text


def test_whatever_the_document_says_is_text_on_the_page() -> None:
    evil = "<script>alert(1)</script>\"'&"
    found = document(load(ROOT, {}).routes)
    found["paths"] = {
        f"/{evil}": {
            "get": {
                "tags": [evil], "summary": evil, "description": evil,
                "parameters": [{"name": evil, "in": evil, "schema": {"x": evil}}],
                "requestBody": {"content": {evil: {"schema": {"$ref": evil}}}},
                "responses": {evil: {"description": evil, "content": {evil: {"schema": {"$ref": f"/{evil}"}}}}},
            }
        }
    }  # fmt: skip
    found["tags"] = [{"name": evil, "description": evil}]
    found["components"]["schemas"] = {evil: {"description": evil}}
    found["info"] = {"title": evil, "version": evil}
    assert "<script>alert" not in page(found).decode()
