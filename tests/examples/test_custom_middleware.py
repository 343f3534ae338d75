"""What identifies a person reaches no model, and is in the answer all the same, however it is cut."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from types import ModuleType

import pytest

from gateway.types import Done, Event, TextDelta, ToolDelta, Units, Usage
from tests.examples.pages import EXAMPLES, Example, free_ports, lines_of

HIDDEN = {"[email-1]": "ann@example.com", "[phone-1]": "+49 40 1234567"}


@pytest.fixture(scope="module")
def veil() -> ModuleType:
    spec = importlib.util.spec_from_file_location("veil", EXAMPLES / "custom-middleware" / "plugins" / "veil.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def unveiled(veil: ModuleType, *events: Event) -> list[Event]:
    async def each() -> AsyncIterator[Event]:
        for event in events:
            yield event

    return [event async for event in veil.unveiled(each(), HIDDEN)]


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_marks_are_known_wherever_a_stream_cuts_them(veil: ModuleType) -> None:
    text = "Hi [email-1][phone-1], [x] [email-9] a[0] [em"
    for one, two in combinations_with_replacement(range(len(text) + 1), 2):
        pieces = TextDelta(text[:one]), TextDelta(text[one:two]), Usage(Units()), TextDelta(text[two:]), Done("stop")
        events = await unveiled(veil, *pieces)
        assert said(events) == "Hi ann@example.com+49 40 1234567, [x] [email-9] a[0] [em"
        assert events[-1] == Done("stop")


async def test_choices_and_tools_wait_for_their_own_other_half(veil: ModuleType) -> None:
    events = await unveiled(
        veil,
        TextDelta("[ema", index=0),
        TextDelta("[phone", index=1),
        TextDelta("il-1]", index=0),
        TextDelta("-1]", index=1),
        TextDelta("see [", index=0),
        ToolDelta(0, '{"to": "[email-', id="call-1", name="send"),
        ToolDelta(0, '1]"}'),
        Done("tool_calls"),
    )
    assert [event for event in events if isinstance(event, TextDelta)] == [
        TextDelta("ann@example.com", index=0),
        TextDelta("+49 40 1234567", index=1),
        TextDelta("see ", index=0),
        TextDelta("[", index=0),
    ]
    tools = [event for event in events if isinstance(event, ToolDelta)]
    assert [(tool.id, tool.name) for tool in tools] == [("call-1", "send"), (None, None)]
    assert "".join(tool.arguments for tool in tools) == '{"to": "ann@example.com"}'


def test_what_it_cannot_hide_is_a_fault_of_the_configuration(veil: ModuleType) -> None:
    with pytest.raises(ValueError, match="kinds: name; there is email, iban, phone"):
        veil.MIDDLEWARE({"kinds": ["name", "email"]})


@pytest.mark.slow
async def test_the_model_sees_marks_and_the_client_does_not(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    example = Example.copy("custom-middleware", tmp_path, ports={8001: port}, GATEWAY_LISTEN=f"127.0.0.1:{port}")
    assert "ok: 2 routes" in await example.run("gateway check .")
    as_seen, as_got = (line for line in lines_of("custom-middleware") if line.startswith("curl"))
    async with example.running("gateway run .", f"http://127.0.0.1:{port}/health/ready"):
        seen = json.loads(await example.run(as_seen))
        assert seen["choices"][0]["message"]["content"] == "Write to [email-1], or call [phone-1]."
        for cached in ("miss", "hit"):
            got = await example.run(as_got)
            assert f"x-gateway-cache: {cached}" in got
            assert "x-veiled: 2" in got
            assert "Write to ann@example.com, or call +49 40 1234567." in got
