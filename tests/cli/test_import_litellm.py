"""`gateway import litellm`: thirty deployments with fallbacks, aliases and audio are carried, checked and served."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway.cli.litellm_source import table
from gateway.cli.starter import Bundled
from tests.cli.calling import Done, call, called
from tests.harness import process
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

CONFIG = Path(__file__).parent / "litellm" / "config.yaml"
MASTER = "sk-master-canary-0123456789"
SMALL = """
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY}
"""


def imported(folder: Path, text: str) -> tuple[Done, dict[str, Any], dict[str, Any]]:
    """Return what was said, and routes.yaml and providers.yaml as values."""
    (folder / "config.yaml").write_text(text)
    done = call("import", "litellm", folder / "config.yaml", "--into", folder / "new", "--json", "--force")
    if done.status:
        return done, {}, {}
    values = [yaml.safe_load((folder / "new" / name).read_text()) for name in ("routes.yaml", "providers.yaml")]
    return done, values[0], values[1]["providers"]


def left(done: Done) -> dict[str, str]:
    return {one["what"]: one["why"] for one in done.json["not_carried"]}


def test_thirty_models_are_carried_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CONFIG.read_text()
    assert len(yaml.safe_load(text)["model_list"]) == 30
    done, routes, providers = imported(tmp_path, text)
    assert done.status == 0, done.err
    assert routes["models"]["gpt-4o"] == {
        "operation": "chat",
        "strategy": "fastest",
        "targets": [
            "azure/gpt-4o-eu",
            "azure-2/gpt-4o-us",
            "openai/gpt-4o",
            {"target": "anthropic/claude-sonnet-5-5", "group": 2},
            {"target": "gemini/gemini-2.5-pro", "group": 3},
            {"target": "openai/gpt-4o-mini", "group": 4},
        ],
    }
    assert routes["models"]["gpt-4"] == routes["models"]["gpt-4o"]
    assert routes["models"]["gpt-3.5-turbo"]["listed"] is False
    assert routes["models"]["tts"] == {
        "operation": "speech",
        "targets": ["openai/tts-1", "elevenlabs/eleven_multilingual_v2", "polly/neural"],
    }
    assert routes["models"]["whisper"]["targets"] == ["openai/whisper-1", "deepgram/nova-3"]
    assert routes["models"]["text-embedding-3-small"]["operation"] == "embeddings"
    assert routes["defaults"] == {"failover": {"attempts": 6}, "cache": {"ttl_s": 900}}
    assert routes["limits"]["azure-as-a-whole"]["requests"] == "600/minute"

    azure = providers["azure"]
    assert azure["base_url"] == "https://eu.openai.azure.com/openai"
    assert azure["options"]["query"] == {"api-version": "2024-10-21"}
    assert azure["timeouts"]["total_s"] == 120
    assert providers["gemini-2"]["timeouts"]["total_s"] == 20
    assert providers["ollama"]["base_url"] == "http://localhost:11434/v1"
    assert providers["openai"]["models"]["o4-mini"]["price"] == {
        "input_usd_per_mtok": 1.1,
        "output_usd_per_mtok": 4.4,
        "cached_input_usd_per_mtok": 0.275,
    }
    assert providers["openai"]["models"]["tts-1"]["price"] == {"usd_per_mchar": 15}
    assert providers["bedrock"]["options"] == {"region": "eu-central-1"}

    told = left(done)
    assert "image_generation has no counterpart" in told["model_list[28]"]
    assert "dall-e-3" in told["model_list[28]"]
    assert "vendor is not known" in told["model_list[29]"]
    assert "litellm_params.temperature (2 models)" in told
    assert "without a price" in told["litellm_settings.max_budget"]
    assert "nobody is no model that is carried" in told["router_settings.model_group_alias.lost"]
    lines = text.splitlines()
    for one in done.json["not_carried"]:
        name = one["what"].split(" (")[0].rpartition(".")[2].rstrip("]")
        assert name.split("[")[0] in lines[one["line"] - 1] or "model_list[" in one["what"], one

    folder = tmp_path / "new"
    for name in ("routes.yaml", "providers.yaml"):
        assert "canary" not in (folder / name).read_text()
        assert "&id" not in (folder / name).read_text()
    assert "canary" not in done.out
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert "OPENAI_3_API_KEY=sk-literal-canary-0123456789" in (folder / ".env").read_text().splitlines()
    monkeypatch.setenv("LITELLM_MASTER_KEY", MASTER)
    assert call("check", folder).status == 0
    monkeypatch.delenv("LITELLM_MASTER_KEY")
    assert call("check", folder).status == 1  # without it nobody could call, or everybody


@pytest.mark.slow
async def test_what_was_imported_serves_with_its_fallbacks_aliases_and_audio(tmp_path: Path) -> None:
    done = await called("import", "litellm", CONFIG, "--into", tmp_path / "new")
    assert done.status == 0, done.err
    assert done.lines[0].startswith("29 models, 20 providers: routes.yaml, providers.yaml, .env")
    texts = [(tmp_path / "new" / name).read_text() for name in ("providers.yaml", "routes.yaml")]
    async with OpenAIServer() as vendor:
        environ = {
            "GATEWAY_LISTEN": "127.0.0.1:0",
            "LITELLM_MASTER_KEY": MASTER,
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": vendor.base_url,
        }
        providers, routes = texts
        async with (
            process(tmp_path / "new", providers, routes, environ) as gateway,
            aiohttp.ClientSession(gateway.url, headers={"authorization": f"Bearer {MASTER}"}) as http,
        ):

            async def chat(model: str, path: str = "/v1/chat/completions") -> tuple[int, str, str]:
                body = {"model": model, "messages": [{"role": "user", "content": f"Hello {model}"}]}
                async with http.post(path, json=body) as answer:
                    await answer.read()
                    return answer.status, answer.headers["x-gateway-model"], answer.headers["x-gateway-attempts"]

            assert await chat("gpt-4o") == (200, "gpt-4o", "1")  # the two of Azure are off
            assert await chat("gpt-4", "/chat/completions") == (200, "gpt-4o", "1")  # an alias, without /v1
            assert await chat("claude-sonnet") == (200, "gpt-4o", "1")  # its fallback: its own vendor is off
            assert await chat("grok") == (200, "gpt-4o-mini", "1")  # the default fallback
            vendor.faults.add(Fault("status", status=500, model="gpt-5.4"))
            assert await chat("gpt-5.4") == (200, "gpt-4o-mini", "2")

            speech = {"model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "wav"}
            async with http.post("/v1/audio/speech", json=speech) as answer:
                assert (answer.status, answer.headers["x-gateway-model"]) == (200, "tts-1")
                spoken = await answer.read()
                assert spoken[:4] == b"RIFF"
            form = aiohttp.FormData({"model": "whisper"})
            form.add_field("file", spoken, filename="speech.wav")
            async with http.post("/v1/audio/transcriptions", data=form) as answer:
                assert (answer.status, answer.headers["x-gateway-model"]) == (200, "whisper-1"), await answer.text()
            async with http.post("/embeddings", json={"model": "embed-large", "input": "Hello."}) as answer:
                assert answer.status == 200
            async with http.get("/v1/models") as answer:
                names = {model["id"] for model in (await answer.json())["data"]}
            assert {"gpt-4o", "gpt-4", "tts", "whisper", "claude-sonnet"} <= names
            assert "gpt-3.5-turbo" not in names
            async with http.get("/v1/models", headers={"authorization": "Bearer wrong"}) as answer:
                assert answer.status == 401


def test_a_short_master_key_is_replaced_and_told(tmp_path: Path) -> None:
    done, routes, _ = imported(tmp_path, SMALL + "general_settings: {master_key: sk-1234}\n")
    assert "shorter than 16 characters" in left(done)["general_settings.master_key"]
    env = dict(line.split("=", 1) for line in (tmp_path / "new" / ".env").read_text().splitlines())
    assert len(env["LITELLM_MASTER_KEY"]) > 32
    assert routes["keys"]["static"][0]["key"] == "${LITELLM_MASTER_KEY:?set the master key}"
    assert call("check", tmp_path / "new").status == 0


def test_a_budget_is_carried_where_all_has_a_price(tmp_path: Path) -> None:
    settings = "litellm_settings: {max_budget: 2.5, budget_duration: 1d}\n"
    done, routes, _ = imported(tmp_path, SMALL + settings)
    assert routes["limits"] == {"everything": {"per": [], "budget": "2.5 USD/day"}}
    assert left(done) == {}
    done, routes, _ = imported(tmp_path, SMALL + settings.replace("1d", "7d"))
    assert "periods are day, hour, month" in left(done)["litellm_settings.budget_duration"]
    assert "limits" not in routes


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{model_name: x, litellm_params: {model: 'openai/*'}}", "a pattern of models that is no * alone"),
        ("{model_name: 'o/*', litellm_params: {model: 'openai/gpt-*'}}", "a pattern of models that is no * alone"),
        ("{model_name: 'a b', litellm_params: {model: gpt-4o}}", "the name of a model is"),
        ("{model_name: x}", "lacks model_name or litellm_params.model"),
        ("{litellm_params: {model: gpt-4o}}", "lacks model_name or litellm_params.model"),
        ("text", "lacks model_name or litellm_params.model"),
        ("{model_name: x, litellm_params: {model: nobody/x}}", "its vendor is not known here"),
        ("{model_name: fast, litellm_params: {model: tts-1}}", "fast is for chat, and openai-2/tts-1 does speech"),
    ],
)
def test_a_line_that_cannot_be_carried_is_told_with_its_place(tmp_path: Path, line: str, why: str) -> None:
    done, routes, _ = imported(tmp_path, f"{SMALL}  - {line}\n")
    assert done.status == 0, done.err
    assert why in left(done)["model_list[1]"]
    assert done.json["not_carried"][0]["line"] == 5
    assert list(routes["models"]) == ["fast"]


@pytest.mark.parametrize(
    ("given", "strategy", "why"),
    [
        ("simple-shuffle", "weighted", ""),
        ("least-busy", "least-busy", ""),
        ("cost-based-routing", "cheapest", ""),
        ("usage-based-routing-v2", "least-busy", "becomes least-busy"),
        ("my-own", None, "targets are asked in their order"),
    ],
)
def test_a_strategy_is_carried_for_models_with_several_deployments(
    tmp_path: Path, given: str, strategy: str | None, why: str
) -> None:
    line = "  - {model_name: %s, litellm_params: {model: groq/%s, api_key: os.environ/GROQ_API_KEY}}\n"
    text = SMALL + line % ("fast", "a") + line % ("alone", "b") + f"router_settings: {{routing_strategy: {given}}}\n"
    done, routes, _ = imported(tmp_path, text)
    assert routes["models"]["fast"].get("strategy") == strategy
    assert "strategy" not in routes["models"]["alone"]
    assert why in left(done).get("router_settings.routing_strategy", "")


def test_calls_are_shared_by_weights_else_by_rpm(tmp_path: Path) -> None:
    line = "  - {model_name: m, litellm_params: {model: groq/%s, api_key: os.environ/GROQ_API_KEY, %s}}\n"
    _, routes, _ = imported(tmp_path, SMALL + line % ("a", "weight: 3, rpm: 1") + line % ("b", "weight: 1, rpm: 9"))
    assert [target["weight"] for target in routes["models"]["m"]["targets"]] == [100, 33.333]
    _, routes, _ = imported(tmp_path, SMALL + line % ("a", "rpm: 300") + line % ("b", "rpm: 100, tpm: 5"))
    assert [target["weight"] for target in routes["models"]["m"]["targets"]] == [100, 33.333]
    _, routes, _ = imported(tmp_path, SMALL + line % ("a", "rpm: 300") + line % ("b", "tpm: 5"))
    assert routes["models"]["m"]["targets"] == ["groq/a", "groq/b"]


def test_a_line_for_all_models_of_a_vendor_takes_any_name_or_those_that_are_known(tmp_path: Path) -> None:
    line = "  - {model_name: '%s', litellm_params: {model: 'groq/*', api_key: os.environ/GROQ_API_KEY}}\n"
    done, routes, providers = imported(tmp_path, SMALL + line % "*")
    assert routes["models"]["*"] == {"operation": "chat", "targets": ["groq/*"]}
    assert left(done) == {}
    assert providers["groq"]["models"]
    done, routes, providers = imported(tmp_path, SMALL + line % "groq/*")
    assert list(routes["models"]) == ["fast"]
    assert providers["groq"]["models"]
    assert "served are the models in the row of groq, as groq/…" in left(done)["model_list[1]"]


def test_the_same_vendor_by_another_address_is_another_provider(tmp_path: Path) -> None:
    line = "  - {model_name: fast, litellm_params: {model: openai/own, api_base: 'http://127.0.0.1:9/v1'}}\n"
    _, routes, providers = imported(tmp_path, SMALL + line)
    assert routes["models"]["fast"]["targets"] == ["openai/gpt-4o-mini", "openai-2/own"]
    assert routes["models"]["fast"]["strategy"] == "weighted"
    assert providers["openai-2"]["options"]["auth"] == "none"
    assert providers["openai-2"]["base_url"] == "http://127.0.0.1:9/v1"


def test_an_address_that_a_variable_holds_is_taken_as_it_is_and_its_end_told(tmp_path: Path) -> None:
    line = "  - {model_name: own, litellm_params: {model: ollama/llama3.3, api_base: os.environ/OWN_URL}}\n"
    done, _, providers = imported(tmp_path, SMALL + line)
    assert providers["ollama"]["base_url"] == "${OWN_URL:-}"
    assert left(done) == {"model_list[1].litellm_params.api_base": "OWN_URL has to end in /v1 here"}
    assert "ollama      off" in call("check", tmp_path / "new").out.replace("ollama  off", "ollama      off")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_list: [", "this is not YAML"),
        ("- 1", "the top level has to be a mapping"),
        ("x: 1", "has no model_list"),
        ("model_list: []", "no model of"),
        ("model_list: [{model_name: a, litellm_params: {model: cohere/x}}]", "its vendor is not known here"),
    ],
)
def test_a_file_that_is_none_writes_nothing(tmp_path: Path, text: str, message: str) -> None:
    done, _, _ = imported(tmp_path, text)
    assert done.status in (1, 64)
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SMALL)
    (tmp_path / "providers.yaml").write_text("mine")
    done = call("import", "litellm", tmp_path / "config.yaml", "--into", tmp_path)
    assert (done.status, "--force" in done.err) == (1, True)
    assert (tmp_path / "providers.yaml").read_text() == "mine"


def test_the_table_names_rows_that_there_are() -> None:
    rows = Bundled.read().providers.value["providers"]
    named = {
        *table().vendors.values(),
        *table().unprefixed.values(),
        table().compatible,
        table().dated,
        *table().versioned,
    }
    assert named <= set(rows)
    assert {*table().credentials.values()} <= {key for row in rows.values() for key in row.get("credentials", {})}
