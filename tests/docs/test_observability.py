"""docs/observability.md names what is made: families, the fields of a line, the settings of traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.config.load import load
from gateway.config.model import Config
from gateway.telemetry import logs
from gateway.types import Attempt, Receipt, Trace, Units
from tests.harness import ROOT, ROUTES, SANDBOX

GEN_AI_LABELS = {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"}
INFO = ('"gateway_build"', '"gateway_build_info"')  # as it is served
ABRIDGED = ("gateway_queue_", "gateway_config_")  # the page has them with an ellipsis
PAGE = (ROOT / "docs" / "observability.md").read_text()


def loaded(folder: Path, more: str) -> Config:
    (folder / "providers.yaml").write_text(SANDBOX)
    base = ROUTES.split("routes:")[0] if "routes:" in more else ROUTES
    (folder / "routes.yaml").write_text(f"{base}\n{more}")
    return load(folder, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


def test_the_example_of_traces_is_what_it_says(tmp_path: Path) -> None:
    (block,) = [block for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S) if "traces:" in block]
    traces = loaded(tmp_path, block).telemetry.traces
    assert (traces.endpoint, traces.sample, traces.service) == ("http://127.0.0.1:4318", 0.1, "gateway-eu")
    assert traces.headers == {"authorization": "Bearer "}


def test_every_family_that_is_made_is_on_the_page_and_the_other_way_round() -> None:
    """Some come with their first sample only, so that they are looked up in the code that makes them."""
    table = PAGE.split("## Metrics")[1].split("## Traces")[0]
    named = set(re.findall(r"`((?:gateway|gen_ai)_[a-z_]+)`", table)) - GEN_AI_LABELS
    files = sorted((ROOT / "gateway" / "telemetry").glob("*.py"))
    made = "".join(file.read_text() for file in files).replace(*INFO)
    for name in named:
        assert f'"{name.removesuffix("_total")}"' in made, name
    families = set(
        re.findall(r'"((?:gateway|gen_ai)_[a-z_]+)"', made.replace('"gateway_build"', '"gateway_build_info"'))
    ) - {"gen_ai_token_type"}
    unnamed = {name for name in families if name not in named and f"{name}_total" not in named}
    assert {name for name in unnamed if not name.startswith(ABRIDGED)} == set()


def test_the_line_of_the_page_is_one_that_is_written() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    attempt = Attempt("a/m", outcome="ok", started_s=1.0, first_content_s=1.5, ended_s=2.0)
    attempt.units = Units(input_tokens=1, output_tokens=1)
    receipt = Receipt("request-1", 0.5, route="POST /x", operation="chat", attempts=[attempt], cost_nano_usd=1)
    receipt.trace = Trace("0" * 32)
    told = ["time", "level", "message", *logs.fields_of(receipt, 200, 2.0)]
    assert list(json.loads(block)) == told
