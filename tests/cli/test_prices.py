"""`gateway prices` as it is called: what is listed, what an update says and writes, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.cli.test_check import run
from tests.config.folder import FREE, PLUGIN, PROVIDERS, ROUTES, Setup

PRICES = """\
# ours
version: 1
sections:
  # the vendor's
  acme:
    source: "data 1" # older
    date: 2026-01-01
    data_id: acme-inc
    take: ["b*", gone, spoken, later]
    models:
      # a remark
      big: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}
      gone: {usd_per_request: 1}
      bland:
        input_usd_per_mtok: 3
        output_usd_per_mtok: 4

  # by hand
  other:
    source: a page
    date: 2026-01-01
    models: {chat: {usd_per_request: 5}}
"""

DATA = [
    {
        "id": "acme-inc",
        "models": [
            {"id": "big", "match": {"equals": "big-2026"}, "prices": {"input_mtok": 1.5, "output_mtok": 2}},
            {"id": "bland", "match": {}, "prices": {"input_mtok": 3, "output_mtok": 4, "web_searches_kcount": 10}},
            {"id": "untaken", "match": {}, "prices": {"input_mtok": 3}},
            {"id": "spoken", "match": {}, "prices": {"audio_hours": 0.04}},
            {
                "id": "b-hourly",
                "match": {},
                "prices": [
                    {"prices": {"input_mtok": 1}},
                    {"constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 2}},
                ],
            },
            {
                "id": "later",
                "match": {},
                "prices": [
                    {"prices": {"input_mtok": {"base": 1, "tiers": [{"start": 1000, "price": 2}]}, "output_mtok": 1}},
                    {"constraint": {"start_date": "2999-01-01"}, "prices": {"input_mtok": 9, "output_mtok": 8}},
                ],
            },
        ],
    }
]

UPDATED = """\
# ours
version: 1
sections:
  # the vendor's
  acme:
    source: "{source}"
    date: {today}
    data_id: acme-inc
    take: ["b*", gone, spoken, later]
    models:
      # a remark
      big: {{input_usd_per_mtok: 1.5, output_usd_per_mtok: 2}}
      bland:
        input_usd_per_mtok: 3
        output_usd_per_mtok: 4
      big-2026: {{input_usd_per_mtok: 1.5, output_usd_per_mtok: 2}}
      later: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1, tiers: [{{above_input_tokens: 1000, input_usd_per_mtok: 2}}], changes: [{{from: 2999-01-01, input_usd_per_mtok: 9, output_usd_per_mtok: 8, tiers: [{{above_input_tokens: 1000, input_usd_per_mtok: 9}}]}}]}}
      spoken: {{usd_per_audio_minute: 0.000666667}}

  # by hand
  other:
    source: a page
    date: 2026-01-01
    models: {{chat: {{usd_per_request: 5}}}}
"""  # noqa: E501 - a price is one line

MODULE = """\
import datetime
from decimal import Decimal
from .types import *
raise SystemExit("data is read and not run")
providers: list[Provider] = [
    Provider(id='acme-inc', models=[
        ModelInfo(id='big', match=ClauseOr(or_=[ClauseEquals(equals='big-2026'), ClauseContains(contains='x')]),
            prices=ModelPrice(input_mtok=Decimal('1.5'), output_mtok=Decimal('2'))),
        ModelInfo(id='bland', match=ClauseContains(contains='bland'),
            prices=ModelPrice(input_mtok=Decimal('3'), output_mtok=Decimal('4'))),
        ModelInfo(id='spoken', match=ClauseContains(contains='s'), prices=ModelPrice(audio_hours=Decimal('0.04'))),
        ModelInfo(id='later', match=ClauseContains(contains='l'), prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=TieredPrices(base=Decimal('1'),
                tiers=[Tier(start=1000, price=Decimal('2'))]), output_mtok=Decimal('1'))),
            ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2999, 1, 1)),
                prices=ModelPrice(input_mtok=Decimal('9'), output_mtok=Decimal('8')))]),
        ModelInfo(id='b-hourly', match=ClauseContains(contains='h'), prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('1'))),
            ConditionalPrice(constraint=TimeOfDateConstraint(start_time=datetime.time(1, 0)),
                prices=ModelPrice(input_mtok=Decimal('2')))]),
    ]),
]
"""


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    made = Setup(tmp_path)
    made.write("plugins/fake.py", PLUGIN)
    made.write("plugins/free.py", FREE)
    made.write("providers.yaml", PROVIDERS)
    made.write("routes.yaml", ROUTES)
    made.write("prices.yaml", PRICES)
    made.write("data.json", json.dumps(DATA))
    return made


def update(setup: Setup, *options: str, data: str = "data.json") -> subprocess.CompletedProcess[str]:
    return run("prices", "update", setup.folder, "--from", setup.folder / data, *options, environ={})


def now(setup: Setup) -> str:
    return (setup.folder / "prices.yaml").read_text()


def test_an_update_says_what_differs_and_changes_no_other_line(setup: Setup) -> None:
    done = update(setup)
    assert (done.returncode, done.stderr) == (0, "")
    said, today = done.stdout.splitlines(), done.stdout.split("\n", 1)[0].rpartition(" ")[2]
    assert said[:3] == [
        f"source: data.json, read {today}",
        "acme (was: data 1, 2026-01-01)",
        "  ~ big: {input_usd_per_mtok: 1, output_usd_per_mtok: 2} -> {input_usd_per_mtok: 1.5, output_usd_per_mtok: 2}",
    ]
    assert "  - gone: {usd_per_request: 1}" in said
    assert "  + spoken: {usd_per_audio_minute: 0.000666667}" in said
    assert "  left out, priced in no way that is counted here: b-hourly" in said
    assert said[-1].startswith("5 changed; ")
    assert now(setup) == UPDATED.format(source="data.json", today=today)
    assert not list(setup.folder.glob(".prices*"))
    assert update(setup, "--check").returncode == 0
    assert run("check", setup.folder, environ={}).returncode == 0


def test_a_check_writes_nothing_and_exits_with_1(setup: Setup) -> None:
    done = update(setup, "--check")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "5 would change; nothing is written"
    assert now(setup) == PRICES


def test_a_wheel_is_read_and_not_run(setup: Setup) -> None:
    with zipfile.ZipFile(setup.folder / "genai_prices-9.8.7-py3-none-any.whl", "w") as wheel:
        wheel.writestr("genai_prices/data.py", MODULE)
    done = update(setup, data="genai_prices-9.8.7-py3-none-any.whl")
    assert (done.returncode, done.stderr) == (0, "")
    today = done.stdout.split("\n", 1)[0].rpartition(" ")[2]
    assert now(setup) == UPDATED.format(source="genai-prices 9.8.7", today=today)


def test_a_section_can_lose_its_rows_and_get_them_again(setup: Setup) -> None:
    nothing = [{"id": "acme-inc", "models": []}]
    setup.write("nothing.json", json.dumps(nothing))
    assert update(setup, data="nothing.json").returncode == 0
    assert "    models: {}\n" in now(setup)
    assert update(setup).returncode == 0
    assert "      big: {input_usd_per_mtok: 1.5, output_usd_per_mtok: 2}\n" in now(setup)
    assert update(setup, "--check").returncode == 0


def test_changes_that_have_come_are_no_difference(setup: Setup) -> None:
    dated = "{input_usd_per_mtok: 1, output_usd_per_mtok: 2, changes: [{from: 2026-01-01, input_usd_per_mtok: 1.5}]}"
    setup.write("prices.yaml", PRICES.replace("big: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}", f"big: {dated}"))
    assert "~ big" not in update(setup, "--check").stdout


def test_without_a_list_of_ones_own_one_is_made_of_the_bundled_one(setup: Setup) -> None:
    (setup.folder / "prices.yaml").unlink()
    known = ["openai", "anthropic", "google", "groq", "mistral", "deepseek", "x-ai"]
    setup.write("data.json", json.dumps([{"id": name, "models": []} for name in known]))
    assert update(setup).returncode == 0
    assert "  polly:\n" in now(setup)


@pytest.mark.parametrize(
    ("prices", "data", "said"),
    [
        (PRICES, "no JSON", "the data is not JSON"),
        (PRICES, "{}", "the data is no list of vendors"),
        (PRICES, "[]", "section 'acme' has data_id 'acme-inc', which data.json"),
        (PRICES.replace("version: 1", "version: 2"), json.dumps(DATA), "prices.yaml:2:10: "),
        (
            PRICES.replace('source: "data 1" # older\n    date: 2026-01-01', "{}"),
            json.dumps(DATA),
            "prices.yaml:",
        ),
        (
            "version: 1\nsections: {acme: {source: x, date: 2026-01-01, data_id: acme-inc, models: {}}}\n",
            json.dumps(DATA),
            "prices.yaml:2: source does not begin its line; give each key its own line",
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(setup: Setup, prices: str, data: str, said: str) -> None:
    setup.write("prices.yaml", prices)
    setup.write("data.json", data)
    done = update(setup)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert now(setup) == prices


def test_without_the_package_the_remedy_is_named(setup: Setup) -> None:
    done = run("prices", "update", setup.folder, environ={})
    assert done.returncode == 1
    assert "give its wheel or JSON by --from" in done.stderr


def test_the_list_says_what_each_target_costs_and_where_it_stands(setup: Setup) -> None:
    setup.providers("small: {operation: chat, price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}}",
                    "small: {operation: chat}\n      bland: {operation: chat}")  # fmt: skip
    done = run("prices", "list", setup.folder, environ={})
    assert done.returncode == 0
    lines = [" ".join(line.replace(f"{setup.folder}/", "").split()) for line in done.stdout.splitlines()]
    assert lines[:3] == [
        "acme/big input_usd_per_mtok 1 output_usd_per_mtok 2 providers.yaml:7",
        "acme/small unknown",
        "acme/bland input_usd_per_mtok 3 output_usd_per_mtok 4 prices.yaml:5 (data 1, 2026-01-01)",
    ]
