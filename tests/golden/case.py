"""A golden case as a value, and how its YAML is read: `!Name` makes the value of that name out of gateway.types."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway import json, types
from gateway.plugin import load_plugin
from gateway.types import Call, Client, Event, Head, Model, Provider, Receipt, Target

ROOT = Path(__file__).parents[2]
KEYS = {"call", "target", "request", "response", "events", "error", "refusal", "is_cut_seen"}


@dataclass(frozen=True, slots=True)
class Case:
    """One file. `request`, `response`, `events`, `error` and `refusal` are None where the file does not say."""

    plugin: Any
    call: Call
    target: Target
    request: Mapping[str, Any] | None
    status: int
    headers: Mapping[str, str]
    body: bytes | None
    events: list[Event] | None
    error: Mapping[str, Any] | None
    refusal: str | None
    is_cut_seen: bool


class Loader(yaml.SafeLoader):
    """Safe YAML with `!Name` for the dataclasses of gateway.types."""


def _construct(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    """`!Text hello` gives the first field, `!Text {text: hello}` names them; a list of a field becomes a tuple."""
    kind: Any = getattr(types, suffix, None)
    if not is_dataclass(kind):
        raise ValueError(f"{node.start_mark}: !{suffix} is no dataclass of gateway.types")
    make: Callable[..., Any] = getattr(types, suffix)
    if isinstance(node, yaml.ScalarNode):
        return make(loader.construct_scalar(node)) if node.value else make()
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{node.start_mark}: write !{suffix} with a text or a mapping")
    given = {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}
    if unknown := set(given) - {field.name for field in fields(kind)}:
        raise ValueError(f"{node.start_mark}: {suffix} has no {', '.join(sorted(unknown))}")
    return make(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


Loader.add_multi_constructor("!", _construct)


def read_case(path: Path) -> Case:
    """Return the case in a file; the folder's name is the plugin's."""
    with path.open() as file:
        data: dict[str, Any] = yaml.load(file, Loader)
    if unknown := set(data) - KEYS:
        raise ValueError(f"{path}: unknown {', '.join(sorted(unknown))}; the format stands in test_golden.py")
    plugin = load_plugin(path.parent.name, (ROOT / "plugins",)).value
    response = data.get("response")
    target = _target(plugin, data.get("target") or {})
    return Case(
        plugin=plugin,
        call=_call(data["call"], target),
        target=target,
        request=data.get("request"),
        status=(response or {}).get("status", 200),
        headers={"content-type": "application/json"} | ((response or {}).get("headers") or {}),
        body=None if response is None else _body(response),
        events=data.get("events"),
        error=data.get("error"),
        refusal=data.get("refusal"),
        is_cut_seen=data.get("is_cut_seen", True),
    )


def _target(plugin: Any, given: Mapping[str, Any]) -> Target:
    model = given.get("model", Model("model-1", "chat"))
    provider = Provider(
        name=given.get("provider", "vendor"),
        plugin=plugin,
        base_url=given.get("base_url", plugin.default_base_url),
        credentials={name: f"secret-{name}" for name in plugin.credentials} | (given.get("credentials") or {}),
        models={model.name: model},
        options=given.get("options") or {},
    )
    return Target(provider, model, {**plugin.default_voices, **(given.get("voices") or {})})


def _call(given: Mapping[str, Any], target: Target) -> Call:
    head = Head("id-1", "POST", "/golden", {}, given.get("headers") or {}, "127.0.0.1", {}, Client("test", "test"))
    return Call(
        id="id-1",
        operation=given.get("operation", "chat"),
        dialect=given.get("dialect", "openai.chat"),
        model=given.get("model", "alias"),
        body=given["body"],
        head=head,
        receipt=Receipt("id-1", 0.0),
        stream=given.get("stream", False),
        raw=given["raw"].encode() if "raw" in given else None,
        targets=(target,),
        target=target,
        is_verbatim=given.get("verbatim", False),
    )


def _body(response: Mapping[str, Any]) -> bytes:
    """The body: `json` as a value, `text` as it stands, `sse` as a list of events, or `base64`."""
    if "json" in response:
        return json.dumps(response["json"])
    if "sse" in response:
        newline = response.get("newline", "\n")
        return "".join(_sse(event, newline) for event in response["sse"]).encode()
    if "base64" in response:
        return base64.b64decode(response["base64"])
    text: str = response["text"]
    return text.encode()


def _sse(event: Any, newline: str) -> str:
    """A text is a `data:` line as it stands; `{event: name, data: value}` and a plain value are written as JSON."""
    if isinstance(event, str):
        return f"data: {event}{newline}{newline}"
    name = ""
    if isinstance(event, dict) and set(event) == {"event", "data"}:
        name, event = f"event: {event['event']}{newline}", event["data"]
    data = event if isinstance(event, str) else json.dumps(event).decode()
    return f"{name}data: {data}{newline}{newline}"
