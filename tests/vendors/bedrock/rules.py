"""Rules of Converse that botocore's model does not hold, and what each model takes. UNV: not checked live."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

DOCUMENT_NAME = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]+")  # from the API reference's text, not its model


@dataclass(eq=False)  # not frozen: contextlib writes an exception's traceback
class Refusal(Exception):
    """A request that Bedrock refuses."""

    message: str
    name: str = "ValidationException"
    status: int = 400


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What one model takes."""

    id: str
    efforts: tuple[str, ...] = ()
    has_images: bool = True
    has_tools: bool = True


RULES = (
    ModelRule("amazon.nova-lite-v1:0"),
    ModelRule("amazon.nova-micro-v1:0", has_images=False),
    ModelRule("openai.gpt-oss-120b-1:0", efforts=("low", "medium", "high"), has_images=False),
    ModelRule("global.anthropic.claude-haiku-4-5-20251001-v1:0", efforts=("low", "medium", "high")),
    ModelRule("titan", has_tools=False, has_images=False),
)
BY_ID = {rule.id: rule for rule in RULES}


def find_model(name: str) -> ModelRule:
    """Return a model's rule; refuse unknown ones."""
    rule = BY_ID.get(name)
    if rule is None:
        raise Refusal("The provided model identifier is invalid.")
    return rule


def signature_of(thought: str) -> str:
    """Return the signature of a thought: the only one that may come back with it."""
    return "sig_" + hashlib.sha256(thought.encode()).hexdigest()[:24]


def check_rules(body: Mapping[str, Any], rule: ModelRule) -> None:
    """Refuse what Bedrock refuses although its model of the operation allows it."""
    messages = body.get("messages") or []
    if not messages:
        raise Refusal("The messages list can't be empty.")  # UNV wording
    if messages[0]["role"] != "user":
        raise Refusal("A conversation must start with a user message. Try again with a conversation that does.")
    if messages[-1]["role"] != "user":
        raise Refusal("A conversation must end with a user message.")  # UNV: prefill is a matter of the model
    for before, after in pairwise(messages):
        if before["role"] == after["role"]:
            raise Refusal("A conversation must alternate between user and assistant roles.")
    for message in messages:
        _check_content(message, rule)
    _check_tools(body, rule)
    _check_output(body, rule)


def _check_content(message: Mapping[str, Any], rule: ModelRule) -> None:
    if not message["content"]:
        raise Refusal("The content field in the Message object is empty.")
    for block in message["content"]:
        if block.get("text") == "":
            raise Refusal("The text field in the ContentBlock object is blank.")
        if "image" in block and not rule.has_images:
            raise Refusal("This model doesn't support the image content block that you provided.")
        if "document" in block:
            if not DOCUMENT_NAME.fullmatch(block["document"]["name"]):
                raise Refusal("The document file name can only contain alphanumeric characters, single spaces ...")
            if not any("text" in other for other in message["content"]):
                raise Refusal("A text block is required when a document is given.")
        if "toolUse" in block and message["role"] != "assistant":
            raise Refusal("A tool use block belongs to the assistant.")
        if "reasoningContent" in block:
            thought = block["reasoningContent"].get("reasoningText") or {}
            if thought and thought.get("signature") != signature_of(thought["text"]):
                raise Refusal("Invalid `signature` in `thinking` block")


def _check_tools(body: Mapping[str, Any], rule: ModelRule) -> None:
    waiting: set[str] = set()
    has_blocks = False
    for message in body["messages"]:
        used = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        given = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        has_blocks = has_blocks or bool(used or given)
        if set(given) != waiting or len(set(given)) != len(given):
            raise Refusal("The number of toolResult blocks exceeds or misses the toolUse blocks of previous turn.")
        waiting = set(used)
    if waiting:
        raise Refusal("Expected toolResult blocks for the following Ids: " + ", ".join(sorted(waiting)))
    config = body.get("toolConfig")
    if config is None:
        if has_blocks:
            raise Refusal("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    if not rule.has_tools:
        raise Refusal("This model doesn't support tool use.")
    names = [tool["toolSpec"]["name"] for tool in config["tools"]]
    if len(set(names)) != len(names):
        raise Refusal("Tool names must be unique.")
    wanted = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if wanted is not None and wanted not in names:
        raise Refusal(f"The tool {wanted} of toolChoice is not in toolConfig.")
    for tool in config["tools"]:
        if tool["toolSpec"]["inputSchema"]["json"].get("type") != "object":
            raise Refusal("The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of: object.")


def _check_output(body: Mapping[str, Any], rule: ModelRule) -> None:
    output = body.get("outputConfig") or {}
    effort = output.get("effort")
    if effort is not None and effort not in rule.efforts:
        raise Refusal(f"This model doesn't support the effort {effort}.")
    if "textFormat" in output:
        try:
            schema = json.loads(output["textFormat"]["structure"]["jsonSchema"]["schema"])
        except ValueError as error:
            raise Refusal("The JSON schema is not valid JSON.") from error
        if not isinstance(schema, dict):
            raise Refusal("The JSON schema is not an object.")
