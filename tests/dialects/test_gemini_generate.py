"""What a client of Gemini's chat format may write, read into normal form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.gemini_generate import GeminiGenerate, GeminiStream
from gateway.errors import InvalidRequest, NotFound
from gateway.types import (
    Audio,
    Chat,
    File,
    Head,
    Image,
    Inbound,
    Message,
    OutputFormat,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)

USER = {"role": "user", "parts": [{"text": "hi"}]}
PART = "contents[0].parts[0]"
THINKING = "generationConfig.thinkingConfig"


def head(query: dict[str, str] | None = None, **params: str) -> Head:
    return Head("id-1", "POST", "/x", query or {}, {}, "127.0.0.1", params or {"model": "fast"})


def read(**body: Any) -> Chat:
    decoded = GeminiGenerate().decode(Inbound(head(), json.dumps({"contents": [USER]} | body).encode()))
    assert isinstance(decoded.body, Chat)
    return decoded.body


def test_the_path_names_the_model_and_whether_to_stream() -> None:
    inbound = Inbound(head(version="v1", model="openai/gpt"), json.dumps({"contents": [USER]}).encode())
    for dialect, stream in ((GeminiGenerate(), False), (GeminiStream(), True)):
        ask = dialect.decode(inbound)
        assert (ask.model, ask.stream) == ("openai/gpt", stream)
    with pytest.raises(NotFound, match="v1, v1beta"):
        GeminiGenerate().decode(Inbound(head(version="v9", model="m"), b"{}"))


def test_both_spellings_numbers_as_text_and_enums_as_numbers_are_read() -> None:
    camel = read(
        systemInstruction={"parts": [{"text": "s"}]},
        generationConfig={
            "maxOutputTokens": 5,
            "topK": 3,
            "topP": 0.5,
            "stopSequences": ["x"],
            "seed": 7,
            "candidateCount": 2,
        },
        tools=[{"functionDeclarations": [{"name": "f"}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY"}},
    )
    snake = read(
        system_instruction={"parts": [{"text": "s"}]},
        generation_config={
            "max_output_tokens": "5",
            "top_k": "3",
            "top_p": "0.5",
            "stop_sequences": ["x"],
            "seed": 7.0,
            "candidate_count": 2,
        },
        tools=[{"function_declarations": [{"name": "f"}]}],
        tool_config={"function_calling_config": {"mode": 2}},
    )
    assert camel == snake
    assert (camel.max_output_tokens, camel.top_k, camel.n, camel.tool_choice) == (5, 3, 2, ToolChoice("required"))
    assert camel.messages[0] == Message("system", (Text("s"),))


def test_every_kind_of_part_is_read() -> None:
    parts = [
        {"text": "a"},
        {"inline_data": {"mime_type": "image/png", "data": "_-8="}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x/a"}},
        {"fileData": {"fileUri": "https://x/b"}},
    ]
    assert read(contents=[{"parts": parts}]).messages[0].parts == (
        Text("a"),
        Image("image/png", "/+8="),
        Audio("mp3", "AAAA"),
        File("a.pdf", "application/pdf", "AAAA"),
        Image("image/png", url="https://x/a"),
        File(url="https://x/b"),
    )


def test_results_find_their_calls_without_ids() -> None:
    calls = [{"functionCall": {"name": name, "args": {"n": i}}} for i, name in enumerate(["f", "g", "f"])]
    results = [
        {"functionResponse": {"name": "g", "response": {"result": "G"}}},
        {"functionResponse": {"name": "f", "response": {"error": "bad"}}},
        {"functionResponse": {"name": "f", "response": {"a": 1, "b": 2}}},
    ]
    chat = read(contents=[USER, {"role": "model", "parts": calls}, {"role": "user", "parts": results}])
    assert chat.messages[1].parts == tuple(
        ToolUse(f"call_{i + 1}", name, f'{{"n":{i}}}') for i, name in enumerate(["f", "g", "f"])
    )
    assert chat.messages[2] == Message(
        "tool",
        (
            ToolResult("call_2", (Text("G"),)),
            ToolResult("call_1", (Text("bad"),), is_error=True),
            ToolResult("call_3", (Text('{"a":1,"b":2}'),)),
        ),
    )


def test_a_signature_becomes_thinking_before_its_part() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"functionCall": {"id": "c", "name": "f"}, "thoughtSignature": "s1"},
        {"text": "", "thought_signature": "s2"},
    ]
    assert read(contents=[{"role": "model", "parts": parts}]).messages[0].parts == (
        Thinking("hm", vendor="gemini"),
        Thinking("", "s1", vendor="gemini"),
        ToolUse("c", "f", "{}"),
        Thinking("", "s2", vendor="gemini"),
    )


def test_googles_own_schema_becomes_json_schema() -> None:
    own = {
        "type": "OBJECT",
        "properties": {
            "snake_name": {"type": "STRING", "nullable": True, "enum": ["a"]},
            "list": {"type": 5, "items": {"type": "integer", "minimum": 1}, "max_items": "3"},
            "any": {"anyOf": [{"type": "BOOLEAN"}, {"type": "NULL"}]},
        },
        "required": ["snake_name"],
        "propertyOrdering": ["list"],
    }
    assert read(tools=[{"functionDeclarations": [{"name": "f", "parameters": own}]}]).tools == (
        Tool(
            "f",
            None,
            {
                "type": "object",
                "required": ["snake_name"],
                "properties": {
                    "snake_name": {"type": ["string", "null"], "enum": ["a", None]},
                    "list": {"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 1}},
                    "any": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                },
            },
        ),
    )


def test_output_formats() -> None:
    json_mode = {"responseMimeType": "application/json"}
    assert read(generationConfig={}).output_format is None
    assert read(generationConfig=json_mode).output_format == OutputFormat("json_object")
    schema = {"type": "object", "x_y": 1}
    found = read(generationConfig=json_mode | {"responseJsonSchema": schema}).output_format
    assert found == OutputFormat("json_schema", "answer", schema)
    found = read(generationConfig=json_mode | {"responseSchema": {"type": "STRING"}}).output_format
    assert found == OutputFormat("json_schema", "answer", {"type": "string"})


@pytest.mark.parametrize(
    ("thinking", "effort", "budget"),
    [
        ({}, None, None),
        ({"thinkingBudget": -1}, None, None),
        ({"thinkingBudget": 0}, "none", None),
        ({"thinking_budget": 512}, None, 512),
        ({"thinking_level": "LOW"}, "low", None),
        ({"thinkingLevel": "high"}, "high", None),
    ],
)
def test_thinking_is_an_effort_or_a_budget(thinking: dict[str, Any], effort: str | None, budget: int | None) -> None:
    chat = read(generationConfig={"thinkingConfig": thinking})
    assert (chat.reasoning_effort, chat.thinking_budget_tokens) == (effort, budget)


def test_several_allowed_functions_are_the_only_ones_offered() -> None:
    tools = [{"functionDeclarations": [{"name": name} for name in "fgh"]}]
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "h"]}}
    chat = read(tools=tools, toolConfig=config)
    assert ([tool.name for tool in chat.tools], chat.tool_choice) == (["f", "h"], ToolChoice("required"))
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}
    assert read(tools=tools, toolConfig=config).tool_choice == ToolChoice("tool", "g")


def test_what_only_google_does_goes_to_google_alone() -> None:
    chat = read(
        contents=[{"parts": [{"text": "a"}, {"executableCode": {"code": "1"}}]}],
        tools=[{"googleSearch": {}}, {"codeExecution": {}}],
        cachedContent="cachedContents/1",
        generationConfig={"responseModalities": ["TEXT", "IMAGE"], "responseMimeType": "text/x.enum"},
    )
    assert set(chat.only_verbatim) == {
        "generationConfig.responseMimeType",
        "contents[0].parts[1].executableCode",
        "tools[0].googleSearch",
        "tools[1].codeExecution",
        "cachedContent",
        "generationConfig.responseModalities[1]",
    }


def test_what_has_no_place_is_kept_under_its_name() -> None:
    chat = read(
        safety_settings=[{"category": "A"}],
        generationConfig={"mediaResolution": "LOW", "temperature": 1, "thinkingConfig": {"includeThoughts": True}},
        toolConfig={"retrievalConfig": {}},
    )
    assert chat.extra == {
        "safetySettings": [{"category": "A"}],
        "generationConfig": {"mediaResolution": "LOW", "thinkingConfig": {"includeThoughts": True}},
        "toolConfig": {"retrievalConfig": {}},
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": None}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": [{"role": "assistant", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": ["x"]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {"data": "AA=="}}]}]}, f"{PART}.inlineData.mimeType"),
        ({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}, "contents[0].parts[0].functionCall.name"),
        ({"contents": [{"parts": [{"functionCall": {"args": 1, "name": "f"}}]}]}, f"{PART}.functionCall.args"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"temperature": 2.1}}, "generationConfig.temperature"),
        ({"generationConfig": {"seed": 2**31}}, "generationConfig.seed"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}, f"{THINKING}.thinkingBudget"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**body)
    assert caught.value.param == param
