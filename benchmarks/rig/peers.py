"""The other gateways, each set up as its own pages advise for speed, with no store to write to, in front of the mock.

They are given less to do than ours has: nobody but ours counts limits, keeps a budget and writes a ledger here. LiteLLM
checks its one key and knows prices; Portkey and TensorZero check no key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rig import processes, tools, wire
from benchmarks.rig.subjects import CHAT, Subject
from benchmarks.rig.wrk import Load

_LITELLM = """
model_list:
  - model_name: chat
    litellm_params:
      model: openai/chat
      api_base: http://127.0.0.1:{port}/v1
      api_key: sk-bench
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
general_settings: {{master_key: sk-{key}}}
litellm_settings: {{telemetry: false, request_timeout: 60, num_retries: 0}}
"""
_TENSORZERO = """
[gateway]
observability.enabled = false

[models.chat]
routing = ["near"]

[models.chat.providers.near]
type = "openai"
model_name = "chat"
api_base = "http://127.0.0.1:{port}/v1/"
api_key_location = "env::MOCK_KEY"
"""
# Its wheel has the gateway's own HTTP server built in, the one that its patched OpenAI client talks to.
_TENSORZERO_START = """
import sys, time
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print("gateway at", gateway.base_url, flush=True)
while True:
    time.sleep(3600)
"""


@contextmanager
def litellm(folder: Path, upstream_port: int, *, core: int | None) -> Iterator[Subject]:
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(port=upstream_port, key=wire.KEY))
    port = processes.free_port()
    command = [
        str(tools.litellm()),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--num_workers",
        "1",
    ]
    environ = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    with processes.child("litellm", command, folder, core=core, environ=environ) as running:
        processes.wait_for_port(port, running)
        yield Subject("litellm", running, port, _chat(("authorization", f"Bearer sk-{wire.KEY}")))


@contextmanager
def portkey(folder: Path, upstream_port: int, *, core: int | None) -> Iterator[Subject]:
    port = processes.free_port()
    command = ["node", str(tools.portkey()), f"--port={port}", "--headless"]
    environ = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}
    with processes.child("portkey", command, folder, core=core, environ=environ) as running:
        processes.wait_for_port(port, running)
        load = _chat(
            ("authorization", f"Bearer {wire.KEY}"),
            ("x-portkey-provider", "openai"),
            ("x-portkey-custom-host", f"http://127.0.0.1:{upstream_port}/v1"),
        )
        yield Subject("portkey", running, port, load)


@contextmanager
def tensorzero(folder: Path, upstream_port: int, *, core: int | None) -> Iterator[Subject]:
    config, start = folder / "tensorzero.toml", folder / "start_tensorzero.py"
    config.write_text(_TENSORZERO.format(port=upstream_port))
    start.write_text(_TENSORZERO_START)
    command = [tools.tensorzero(), start, config]
    environ = {"MOCK_KEY": "sk-bench", "RUST_LOG": "error"}
    with processes.child("tensorzero", command, folder, core=core, environ=environ) as running:
        port = int(running.wait_for(r"gateway at http://[^:]+:(\d+)")[1])
        body = wire.CHAT.replace('"model":"chat"', '"model":"tensorzero::model_name::chat"')
        yield Subject("tensorzero", running, port, Load("/openai/v1/chat/completions", body))


PEERS = {"tensorzero": tensorzero, "portkey": portkey, "litellm": litellm}


def _chat(*headers: tuple[str, str]) -> Load:
    return Load(CHAT.path, CHAT.body, headers)
