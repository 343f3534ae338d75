"""What is measured, each a process on the same core before the same mock: the gateway, and what it is held against."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rig import processes, tools, wire
from benchmarks.rig.processes import Child
from benchmarks.rig.wrk import Load

ANSWER_S = 60.0

PROVIDERS = """
version: 1
providers:
  near:
    plugin: openai
    base_url: http://127.0.0.1:{port}/v1
    credentials: {{api_key: sk-bench}}
    timeouts: {{connect_s: 5, first_byte_s: {first_byte_s}, idle_s: 30, total_s: 3600}}
    models:
      chat: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      speech: {{operation: speech, formats: [mp3], price: {{usd_per_mchar: 15}}}}
"""
_MODELS = """
models:
  chat: {operation: chat, targets: [near/chat]}
  speak: {operation: speech, targets: [near/speech]}
"""
PLAIN = f"""
version: 1
server: {{listen: "127.0.0.1:0", log_level: error, metrics: false}}
keys: {{anonymous: always}}
{_MODELS}
routes:
  - {{path: /v1/chat/completions, dialect: openai.chat}}
  - {{path: /v1/audio/speech, dialect: openai.speech}}
"""
QUOTA = "quota: {requests: 1000000000/hour, tokens: 100000000000/hour, concurrent: 100000, budget: 1000000 USD/day}"
GOVERNED = f"""
version: 1
server: {{listen: "127.0.0.1:0", log_level: info}}
keys: {{static: [{{name: bench, key: {wire.KEY}}}]}}
stores: {{database_url: "sqlite:gateway.db"}}
{_MODELS}
routes:
  - path: /v1/chat/completions
    dialect: openai.chat
    {QUOTA}
  - path: /v1/audio/speech
    dialect: openai.speech
"""
CHAT = Load("/v1/chat/completions", wire.CHAT, (("authorization", f"Bearer {wire.KEY}"),))
STREAM = Load("/v1/chat/completions", wire.STREAMED, CHAT.headers)
SPEECH = Load("/v1/audio/speech", wire.SPEECH, CHAT.headers)


@dataclass(frozen=True, slots=True)
class Subject:
    name: str
    child: Child
    port: int
    load: Load = field(default=CHAT)  # how it is asked for a chat


@contextmanager
def gateway(
    name: str, folder: Path, upstream_port: int, routes: str, *,
    core: int | Sequence[int] | None, first_byte_s: float = 20.0, load: Load = CHAT,
) -> Iterator[Subject]:  # fmt: skip
    """Run the gateway on these routes; the folder keeps what it writes. What is in `folder` already stays."""
    (folder / "providers.yaml").write_text(PROVIDERS.format(port=upstream_port, first_byte_s=first_byte_s))
    (folder / "routes.yaml").write_text(routes)
    command = [sys.executable, "-m", "gateway", "run", str(folder)]
    with processes.child(name, command, folder, core=core, environ={"PYTHONPATH": str(processes.ROOT)}) as running:
        port = int(running.wait_for(r"serves at http://127\.0\.0\.1:(\d+)")[1])
        yield Subject(name, running, port, load)


@contextmanager
def mock(folder: Path, *arguments: str) -> Iterator[int]:
    """Run the mock vendor on the load's core; yields its port."""
    command = [sys.executable, "-m", "benchmarks.rig.mock", *arguments]
    with _python(folder, "mock", command, processes.cores().load) as running:
        yield int(running.wait_for(r"mock on (\d+)")[1])


@contextmanager
def splice(folder: Path, upstream_port: int) -> Iterator[Subject]:
    """Run the least proxy in Python, on the subject's core."""
    command = [sys.executable, "-m", "benchmarks.rig.splice", str(upstream_port)]
    with _python(folder, "splice", command, processes.cores().subject) as running:
        yield Subject("splice", running, int(running.wait_for(r"splice on (\d+)")[1]))


@contextmanager
def _python(folder: Path, name: str, command: Sequence[str], core: int | None) -> Iterator[Child]:
    environ = {"PYTHONPATH": str(processes.ROOT)}
    with processes.child(name, command, folder, core=core, environ=environ) as running:
        yield running


# ---------------------------------------------------------------- nginx and Envoy

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx-{name}.pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 100m;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ {serve} }} }}
}}
"""


@contextmanager
def nginx(name: str, folder: Path, *, core: int | None, upstream_port: int | None = None) -> Iterator[Subject]:
    """Run nginx: as a bare proxy to `upstream_port`, or without one as a vendor that answers every chat at once."""
    port = processes.free_port()
    upstream = serve = ""
    if upstream_port is None:
        serve = f"default_type application/json; return 200 '{wire.ANSWER}';"
    else:
        upstream = (
            f"upstream near {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 1000000000; }}"
        )
        serve = "proxy_pass http://near; proxy_http_version 1.1; proxy_set_header Connection '';"
    config = folder / f"nginx-{name}.conf"
    config.write_text(_NGINX.format(folder=folder, name=name, port=port, upstream=upstream, serve=serve))
    with processes.child(name, [tools.debian("nginx"), "-e", "stderr", "-c", config], folder, core=core) as running:
        processes.wait_for_port(port, running)
        yield Subject(name, running, port)


@contextmanager
def envoy(folder: Path, upstream_port: int, *, core: int | None) -> Iterator[Subject]:
    """Run Envoy as a bare proxy: one worker, no logs, no filters but the router."""
    port = processes.free_port()
    config = folder / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, upstream_port)))
    command = [
        str(tools.envoy()),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
        "-c",
        str(config),
    ]
    with processes.child("envoy", command, folder, core=core) as running:
        processes.wait_for_port(port, running)
        yield Subject("envoy", running, port)


_FILTERS = "type.googleapis.com/envoy.extensions.filters"


def _envoy_config(port: int, upstream_port: int) -> dict[str, object]:
    manager = {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "near", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"},
            }
        ],
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "near",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "near",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(upstream_port)}}]}],
                    },
                }
            ],
        }
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


# ---------------------------------------------------------------- whether it answers as it should


def check(subject: Subject, load: Load | None = None) -> bytes:
    """Ask once, and return the answer's body. Raises RuntimeError unless it is 200 with the mock's words."""
    load = load or subject.load
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=ANSWER_S)
    try:
        connection.request(
            "POST", load.path, load.body.encode(), {"content-type": "application/json", **dict(load.headers)}
        )
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    is_chat = load.path.endswith("/chat/completions")
    if response.status != 200 or (is_chat and b"word word" not in body and b'"content":"000' not in body):
        raise RuntimeError(
            f"{subject.name} answered {response.status}: {body[:300]!r}; it said {subject.child.said()[-500:]}"
        )
    return body
