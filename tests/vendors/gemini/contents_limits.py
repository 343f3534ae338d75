"""Rules for `contents` that the protobuf does not hold: roles, parts, whose turn it is, thought signatures.

Sources: vendors.md 3, Google's pages "Thought signatures" and "Function calling" (2026-11-23).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tests.vendors.gemini.errors import Refusal, bad_field
from tests.vendors.gemini.models import ModelRule
from tests.vendors.gemini.schema import SENTINEL
from tests.vendors.sse import compact

IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
AUDIO = frozenset(f"audio/{name}" for name in ("wav", "mp3", "mpeg", "aiff", "aac", "ogg", "flac", "mp4", "webm"))
DOCUMENTS = frozenset({"application/pdf", "application/json", "application/rtf"})
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")


def check_contents(contents: Sequence[Mapping[str, Any]], rule: ModelRule) -> None:
    """Refuse contents that the service refuses. Raises Refusal."""
    if not contents:
        raise bad_field("GenerateContentRequest.contents", "contents is not specified")
    for index, content in enumerate(contents):
        path = f"GenerateContentRequest.contents[{index}]"
        if content.get("role", "user") not in ("user", "model"):
            raise Refusal("Please use a valid role: user, model.")
        check_parts(content.get("parts") or [], path)
    _check_turns(contents)
    if rule.demands_signatures:
        _check_signatures(contents)


def check_parts(parts: Sequence[Mapping[str, Any]], path: str) -> None:
    """Refuse a content without parts, and parts without exactly one kind of data."""
    if not parts:
        raise bad_field(f"{path}.parts", "contents.parts must not be empty.")
    for index, part in enumerate(parts):
        here = f"{path}.parts[{index}]"
        given = [name for name in DATA if name in part]
        if len(given) != 1 or (part.get("text") == "" and "thoughtSignature" not in part):
            raise bad_field(f"{here}.data", "required oneof field 'data' must have one initialized field")
        blob = part.get("inlineData")
        if blob is not None:
            _check_media(blob.get("mimeType"), here)
            if not blob.get("data"):
                raise bad_field(f"{here}.inline_data", "data must not be empty")
        if "fileData" in part and not part["fileData"].get("fileUri", "").startswith("https://"):
            raise Refusal("Unsupported file URI type. File URI must be a File API or https URL.")
        for name in ("functionCall", "functionResponse"):
            if name in part and not part[name].get("name"):
                raise bad_field(f"{here}.{name}.name", "Name cannot be empty.")
        if "functionResponse" in part and "response" not in part["functionResponse"]:
            raise bad_field(f"{here}.function_response.response", "must be specified")


def _check_media(mime: Any, path: str) -> None:
    kind = str(mime or "").partition(";")[0]
    if kind in IMAGES | AUDIO | DOCUMENTS or kind.startswith(("text/", "video/")):
        return
    raise Refusal(f"Unsupported MIME type: {mime}. ({path})")


def _check_turns(contents: Sequence[Mapping[str, Any]]) -> None:
    """Every turn of calls is answered by the next one, call by call and name by name."""
    for index, content in enumerate(contents):
        calls = [part["functionCall"]["name"] for part in content.get("parts") or () if "functionCall" in part]
        answers = _answers(contents[index + 1]) if index + 1 < len(contents) else []
        if calls and content.get("role") != "model":
            raise Refusal("Please ensure that function call turn is of role 'model'.")
        if calls and sorted(calls) != sorted(answers):
            text = "Please ensure that the number of function response parts is equal to the number of function call "
            raise Refusal(text + "parts of the function call turn.")
        before = contents[index - 1] if index else {}
        if _answers(content) and not any("functionCall" in part for part in before.get("parts") or ()):
            raise Refusal("Please ensure that function response turn comes immediately after a function call turn.")


def _answers(content: Mapping[str, Any]) -> list[str]:
    return [part["functionResponse"]["name"] for part in content.get("parts") or () if "functionResponse" in part]


# ---------------------------------------------------------------- thought signatures


def signature_of(what: Any) -> str:
    """Return the signature of a part's data, as base64: the same for the same data."""
    return base64.b64encode(b"sim:" + hashlib.sha256(compact(what)).digest()).decode()


def _check_signatures(contents: Sequence[Mapping[str, Any]]) -> None:
    """Since the user last said something of his own, the first call of each step must carry its signature."""
    start = max((i for i, content in enumerate(contents) if _is_said(content)), default=-1)
    for index, content in enumerate(contents[start + 1 :], start + 1):
        calls = [(at, part) for at, part in enumerate(content.get("parts") or ()) if "functionCall" in part]
        if not calls:
            continue
        at, part = calls[0]
        name = part["functionCall"]["name"]
        place = f"function call `default_api:{name}`, position {index + 1}"
        if "thoughtSignature" not in part:
            raise Refusal(f"Function call is missing a thought_signature in functionCall parts. {place}")
        if not _is_genuine(part):
            raise Refusal(f"Thought signature is not valid in contents[{index}].parts[{at}], {place}")


def _is_said(content: Mapping[str, Any]) -> bool:
    is_user = content.get("role", "user") == "user"
    return is_user and any("functionResponse" not in part for part in content.get("parts") or ())


def _is_genuine(part: Mapping[str, Any]) -> bool:
    given = base64.b64decode(part["thoughtSignature"])
    call = {"name": part["functionCall"]["name"], "args": part["functionCall"].get("args") or {}}
    sentinel = base64.b64decode(SENTINEL.replace("_", "/"))
    return given in (sentinel, base64.b64decode(signature_of(call)))
