"""`gateway providers test`: real calls, one for each operation, and what is to be done where one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.trial import chosen
from gateway.config.load import load
from tests.cli.calling import Done, call, called
from tests.harness import ROUTES, SANDBOX
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

VENDOR = """
  vendor:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: "{key}"}}
    models:
      gpt-5.4-mini: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      gpt-4o-mini: {{operation: chat, price: {{input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}}}}
      text-embedding-3-small: {{operation: embeddings}}
      tts-1: {{operation: speech, formats: [mp3, wav]}}
      whisper-1: {{operation: transcription}}
"""
NOT_THERE = VENDOR.format(url="http://127.0.0.1:1/v1", key="canary-credential-1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    return tmp_path


def by_target(done: Done) -> dict[str, Any]:
    return {one["target"]: one for one in done.json["calls"]}


async def test_each_operation_of_a_vendor_is_called_once_by_its_cheapest_model(folder: Path) -> None:
    async with OpenAIServer() as vendor:
        providers = SANDBOX + VENDOR.format(url=vendor.base_url, key=API_KEY)
        (folder / "providers.yaml").write_text(providers)
        done = await called("providers", "test", "vendor", "--config", folder, "--json")
        assert done.status == 0, done.out
        found = by_target(done)
        models = ["gpt-4o-mini", "text-embedding-3-small", "tts-1", "whisper-1"]
        assert list(found) == [f"vendor/{model}" for model in models]
        assert sorted(str(record.model) for record in vendor.requests) == sorted(models)
        assert all(record.refusal is None for record in vendor.requests)
        assert all(0 <= one["first_content_s"] <= one["total_s"] for one in found.values())
        assert found["vendor/gpt-4o-mini"]["cost_nano_usd"] > 0
        assert found["vendor/tts-1"]["cost_nano_usd"] is None
        assert "bytes of audio" in found["vendor/tts-1"]["message"]

        vendor.reset()
        done = await called("providers", "test", "vendor/gpt-5.4-mini", "--config", folder)
        assert done.status == 0
        assert done.lines[0].startswith("ok     vendor/gpt-5.4-mini  chat: ")
        assert [record.model for record in vendor.requests] == ["gpt-5.4-mini"]


async def test_what_fails_has_its_remedy_and_no_secret(folder: Path) -> None:
    async with OpenAIServer() as vendor:
        wrong = VENDOR.format(url=vendor.base_url, key="canary-credential-1")
        (folder / "providers.yaml").write_text(SANDBOX + wrong)
        done = await called("providers", "test", "vendor/gpt-4o-mini", "sandbox/chat", "--config", folder)
        assert done.status == 1
        assert done.lines[0].startswith("ok     sandbox/chat")
        assert done.lines[1].startswith("failed vendor/gpt-4o-mini")
        assert done.lines[2] == "       → look at its credentials, and at the account with the vendor"
        assert "canary" not in done.out + done.err

        (folder / "providers.yaml").write_text(SANDBOX + VENDOR.format(url=vendor.base_url, key=API_KEY))
        vendor.faults.add(Fault("slow_headers"))
        late = await called("providers", "test", "vendor/gpt-4o-mini", "--config", folder, "--timeout", "0.5")
        assert (late.status, late.lines[0].endswith("chat: no answer within 0.5 s")) == (1, True)
    (folder / "providers.yaml").write_text(SANDBOX + NOT_THERE)
    away = await called("providers", "test", "vendor/tts-1", "--config", folder)
    assert away.status == 1
    assert "gateway doctor" in away.lines[1]


def test_without_names_whoever_is_on_is_called(folder: Path) -> None:
    (folder / "providers.yaml").write_text(SANDBOX + NOT_THERE.replace("canary-credential-1", ""))
    found = by_target(call("providers", "test", "--config", folder, "--json"))
    assert {target.split("/")[0] for target in found} == {"sandbox"}
    assert {one["operation"] for one in found.values()} == {"chat", "speech", "transcription", "embeddings"}
    assert all(one["is_ok"] for one in found.values())
    off = call("providers", "test", "vendor/tts-1", "--config", folder)
    assert (off.status, "off, credentials.api_key is empty" in off.out) == (1, True)


def test_all_takes_every_model_but_patterns(folder: Path) -> None:
    (folder / "providers.yaml").write_text(SANDBOX + NOT_THERE)
    config = load(folder, {})
    assert len(chosen(config, ["vendor"], is_all=True)) == 5
    assert len(chosen(config, ["vendor"], is_all=False)) == 4
    assert len(chosen(config, [], is_all=True)) == 9


def test_an_unknown_name_is_misuse_and_faulty_files_are_refused(folder: Path) -> None:
    done = call("providers", "test", "sandbx", "--config", folder)
    assert (done.status, "did you mean 'sandbox'" in done.err) == (64, True)
    (folder / "routes.yaml").write_text("version: 1\n")
    assert call("providers", "test", "--config", folder).status == 1
