"""The `tools` and `toolConfig` of a Gemini request, read into normal form (vendors.md 3, 2026-11-23)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.dialects.gemini_proto import Proto
from gateway.dialects.gemini_schema import json_schema
from gateway.types import Tool, ToolChoice

_MODES = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Tools:
    """`only_verbatim` names what the vendor itself would do: search, run code, read URLs."""

    tools: tuple[Tool, ...]
    choice: ToolChoice | None
    only_verbatim: tuple[str, ...]
    config_rest: dict[str, Any]


def read_tools(fields: Proto) -> Tools:
    """Return the functions that a model may call, and whether it must. Raises InvalidRequest naming the field."""
    tools: list[Tool] = []
    hosted: list[str] = []
    for item in fields.objects("tools"):
        hosted += [item.path(key) for key in item.raw if key != "functionDeclarations"]
        tools += [_tool(declaration) for declaration in item.objects("functionDeclarations")]
    config = fields.object("toolConfig")
    calling = config.object("functionCallingConfig") if config is not None else None
    choice, allowed = _choice(calling) if calling is not None else (None, ())
    offered = [tool for tool in tools if not allowed or tool.name in allowed]
    rest = config.rest(frozenset({"functionCallingConfig"})) if config is not None else {}
    return Tools(tuple(offered), choice if offered else None, tuple(hosted), rest)


def _tool(declaration: Proto) -> Tool:
    own, standard = declaration.object("parameters"), declaration.object("parametersJsonSchema")
    if standard is not None:
        parameters = declaration.raw["parametersJsonSchema"]
    else:
        parameters = json_schema(own) if own is not None else _NOTHING
    return Tool(declaration.required_string("name"), declaration.string("description"), parameters)


def _choice(calling: Proto) -> tuple[ToolChoice | None, tuple[str, ...]]:
    """Return the choice, and the names that alone are allowed where there are several."""
    names = calling.strings("allowedFunctionNames")
    match calling.enum("mode", _MODES):
        case "ANY" if len(names) == 1:
            return ToolChoice("tool", names[0]), ()
        case "ANY":
            return ToolChoice("required"), names
        case "NONE":
            return ToolChoice("none"), ()
        case "AUTO" | "VALIDATED":
            return ToolChoice("auto"), names
    return None, names
