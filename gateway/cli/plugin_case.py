"""One exchange with a vendor as a value, and how its YAML is read: `!Name` makes that value of gateway.types.

```yaml
# One sentence: what this case shows.
call:                     # what the gateway asks of the plugin
  operation: chat         # the default
  dialect: openai.chat    # the default: the client's dialect
  stream: true            # default false
  body: !Chat             # any value of gateway.types: `!Name {field: value}`, or `!Name text` for its first field
    messages:
      - !Message {role: user, parts: [!Text "Hello"]}
  verbatim: true          # default false; `raw: '{"model": …}'` is then the client's body as received
  headers: {name: value}  # the client's, lower-case
target:                   # all optional
  model: !Model {name: large-1, operation: chat, max_output_tokens: 8192}
  options: {}             # the provider's; a model's own are in !Model {options: …}
  base_url: …             # the plugin's default
  credentials: {…}        # by default `secret-<name>` for each that the plugin asks for
  voices: {nova: …}
request:                  # what `build` and `sign` make of it; each key is optional and compared where it stands
  method: POST
  url: https://…
  headers: {…}            # all of them
  body: {…}               # as JSON;   or body_text: '…' byte for byte;   or form: [[name, value], …]
refusal: has no format …  # what `refusal` returns; request and response are then left out
response:                 # what the vendor answers
  status: 200             # the default
  headers: {content-type: application/json}   # the default
  json: {…}               # or text: …;  or base64: …;  or sse: [ … ] with `newline: "\r\n"` where the vendor has it:
                          # each `{event: name, data: {…}}`, or a value for `data:` alone, or a text as it stands
events:                   # what `parse` yields, in order; of a verbatim call without the Verbatim events, whose bytes
  - !TextDelta "Hello"    # must be the response's
  - !Usage {units: !Units {input_tokens: 3, output_tokens: 1}}
  - !Done stop
error: {class: UpstreamRateLimited, message: …, retry_after_s: 2}   # raised by `parse_error`, by `parse` after
                          # `events`, or by `build` where there is no response; message and others count if given
is_cut_seen: false        # the vendor's format has no end mark, so that a cut cannot be told; say why in a comment
```
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway import json, types
from gateway.dialects import DIALECTS
from gateway.types import Call, Client, Event, Head, Model, Provider, Receipt, Target

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


def read_case(path: Path, plugin: Any) -> Case:
    """Return the case in a file. Raises ValueError, OSError or yaml.YAMLError where it is none."""
    with path.open() as file:
        data = yaml.load(file, Loader)
    if not isinstance(data, dict) or not isinstance(data.get("call"), dict) or "body" not in data["call"]:
        raise ValueError("a case has a `call` with a `body`; the format stands in gateway/cli/plugin_case.py")
    if unknown := set(data) - KEYS:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; the format stands in gateway/cli/plugin_case.py")
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
        dialect=given.get("dialect", next(iter(DIALECTS))),
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
