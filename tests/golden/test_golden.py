"""Golden files of the plugins, `tests/golden/<plugin>/<case>.yaml`: exchanges, as gateway/cli/plugin_case.py has them.

They are checked as `gateway plugins test` checks an operator's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.conformance import (
    Nonconforming,
    check_answer,
    check_cuts,
    check_early_end,
    check_request,
    contract_faults,
)
from gateway.cli.plugin_case import Case, read_case
from gateway.plugin import available, load_plugin

ROOT = Path(__file__).parents[2]
FILES = sorted(Path(__file__).parent.glob("*/*.yaml"))
IDS = [f"{file.parent.name}/{file.stem}" for file in FILES]


def case_of(file: Path) -> Case:
    """Return the case; the folder's name is the plugin's."""
    return read_case(file, load_plugin(file.parent.name, (ROOT / "plugins",)).value)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_the_request_is_the_golden_one(file: Path) -> None:
    check_request(case_of(file))


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_the_answer_gives_the_golden_events(file: Path) -> None:
    await check_answer(case_of(file))


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_bytes_cut_anywhere_give_the_same_events(file: Path) -> None:
    await check_cuts(case_of(file))


@pytest.mark.parametrize("file", FILES, ids=IDS)
async def test_an_answer_that_ends_early_never_looks_complete(file: Path) -> None:
    await check_early_end(case_of(file))


def test_there_are_golden_files() -> None:
    assert FILES


@pytest.mark.parametrize("name", available((ROOT / "plugins",)))
def test_every_bundled_plugin_keeps_the_contract(name: str) -> None:
    assert list(contract_faults(load_plugin(name, (ROOT / "plugins",)))) == []


# ---------------------------------------------------------------- the checks bite


PLAIN = Path(__file__).parent / "openai" / "plain.yaml"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request", {"url": "https://elsewhere.test"}),
        ("request", {"colour": "blue"}),
        ("refusal", "has no words"),
    ],
)
def test_a_request_that_is_another_is_seen(field: str, value: Any) -> None:
    case = replace(case_of(PLAIN), **{field: value})
    with pytest.raises(Nonconforming, match=field):
        check_request(case)


@pytest.mark.parametrize(
    ("field", "value"),
    [("events", []), ("error", {"class": "UpstreamCut"}), ("status", 500), ("body", b"{}")],
)
async def test_an_answer_that_is_another_is_seen(field: str, value: Any) -> None:
    case = replace(case_of(PLAIN), **{field: value})
    with pytest.raises(Nonconforming):
        await check_answer(case)
