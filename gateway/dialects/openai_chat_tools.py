"""The tools of an OpenAI chat and which of them to take, read into normal form (vendors.md 1.1, 2026-11-23).

Function tools have a normal form. Legacy `functions` become tools; `allowed_tools` becomes a shorter list of tools,
which says the same. Custom tools have none: they stay for targets that are sent the client's own bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dialects.fields import Fields
from gateway.types import Tool, ToolChoice

NO_PARAMETERS = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Tools:
    """What was read; `only_verbatim` names the fields that have no normal form."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    only_verbatim: tuple[str, ...] = ()


_FIELDS = frozenset({"tools", "tool_choice", "functions"})
_NONE = Tools()


def read_tools(fields: Fields) -> Tools:
    """Return the tools and the choice among them. Raises InvalidRequest naming the field."""
    if fields.raw.keys().isdisjoint(_FIELDS):
        return _NONE
    if fields.raw.get("functions") is not None:
        return _legacy(fields)
    tools: list[Tool] = []
    custom: list[str] = []
    for index, item in enumerate(fields.objects("tools")):
        if item.string("type", choices=("function", "custom")) == "custom":
            custom.append(f"tools[{index}]")
        else:
            tools.append(read_function(_inner(item, "function")))
    choice = fields.raw.get("tool_choice")
    if not isinstance(choice, dict):
        return Tools(tuple(tools), _mode(fields, "tool_choice"), tuple(custom))
    named = fields.object("tool_choice")
    assert named is not None
    match named.string("type", choices=("function", "custom", "allowed_tools")):
        case "custom":
            return Tools(tuple(tools), None, (*custom, "tool_choice"))
        case "allowed_tools":
            return _allowed(named, tuple(tools), tuple(custom))
        case _:
            wanted = ToolChoice("tool", _inner(named, "function").required_string("name"))
            return Tools(tuple(tools), wanted, tuple(custom))


def read_function(function: Fields) -> Tool:
    """Return a tool out of `{name, description, parameters, strict}`."""
    parameters = function.object("parameters")
    return Tool(
        function.required_string("name"),
        function.string("description"),
        parameters.raw if parameters is not None else NO_PARAMETERS,
        function.boolean("strict"),
    )


def choice_of(mode: str | None) -> ToolChoice | None:
    """Return the choice that a word says."""
    match mode:
        case None:
            return None
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("required")
        case _:
            return ToolChoice("auto")


def _mode(fields: Fields, key: str) -> ToolChoice | None:
    return choice_of(fields.string(key, choices=("none", "auto", "required")))


def _allowed(named: Fields, tools: tuple[Tool, ...], custom: tuple[str, ...]) -> Tools:
    allowed = _inner(named, "allowed_tools")
    names = {
        _inner(item, "function").required_string("name")
        for item in allowed.objects("tools")
        if item.string("type", choices=("function", "custom")) != "custom"
    }
    kept = tuple(tool for tool in tools if tool.name in names)
    mode = choice_of(allowed.string("mode", choices=("auto", "required")))
    return Tools(kept, mode if kept else ToolChoice("none"), custom)


def _legacy(fields: Fields) -> Tools:
    """`functions` and `function_call`, which OpenAI has kept since 2023."""
    if fields.raw.get("tools") is not None:
        raise fields.error("functions", "cannot go with 'tools'; put the functions there")
    tools = tuple(read_function(function) for function in fields.objects("functions", low=1))
    if isinstance(fields.raw.get("function_call"), dict):
        named = fields.object("function_call")
        assert named is not None
        return Tools(tools, ToolChoice("tool", named.required_string("name")))
    return Tools(tools, choice_of(fields.string("function_call", choices=("none", "auto"))))


def _inner(item: Fields, key: str) -> Fields:
    inner = item.object(key)
    if inner is None:
        raise item.error(key, "is required")
    return inner
