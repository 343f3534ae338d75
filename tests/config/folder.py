"""A folder with the two YAML files and one small plugin, written anew for each test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from gateway.config.files import Files
from gateway.config.load import read
from gateway.config.model import Config

PLUGIN = """
from gateway.plugin import Worker

class Fake:
    options_schema = {"type": "object", "additionalProperties": False,
                      "properties": {"rate": {"type": "integer", "minimum": 1}}}
    credentials = ("api_key",)
    default_base_url = "https://api.fake.example/v1"
    backend = None
    wire = {}
    default_voices = {"alloy": "A", "nova": "N"}
    def operations(self): return frozenset({"chat", "embeddings", "speech", "transcription"})
    def refusal(self, call, target): return None
    def build(self, call, target): raise NotImplementedError
    def parse(self, call, response): raise NotImplementedError
    def parse_error(self, status, headers, body): raise NotImplementedError
    def sign(self, request, target): return request

class Free(Fake):
    credentials = ()

PLUGIN = Fake()
"""
FREE = PLUGIN.replace("PLUGIN = Fake()", "PLUGIN = Free()")

PROVIDERS = """\
version: 1
providers:
  acme:
    plugin: fake
    credentials: {api_key: "${ACME_KEY:-}"}
    models:
      big: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
      small: {operation: chat, price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}}
      voice: {operation: speech, price: {usd_per_mchar: 15}}
  spare:
    plugin: free
    standby: true
    models:
      chat: {operation: chat, price: {usd_per_request: 0}}
      tones: {operation: speech, price: {usd_per_request: 0}}
"""

ROUTES = """\
version: 1
keys: {anonymous: loopback}
voices:
  narrator: {acme: nova-2}
models:
  fast: {operation: chat, targets: [acme/small, spare/chat]}
  speak: {operation: speech, targets: [acme/voice, spare/tones]}
  big-*: {operation: chat, targets: [acme/*, spare/chat]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, model: fast}
  - {path: /v1/audio/speech, dialect: openai.speech}
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """The folder of one test. `problems` and `config` read it as it stands."""

    folder: Path

    def write(self, name: str, text: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())

    def routes(self, old: str, new: str) -> None:
        """Replace a piece of routes.yaml."""
        self._replace("routes.yaml", old, new)

    def providers(self, old: str, new: str) -> None:
        self._replace("providers.yaml", old, new)

    def files(self) -> Files:
        return Files(self.folder / "routes.yaml", self.folder / "providers.yaml")

    def problems(self, **environ: str) -> list[str]:
        """Every error as `file:line:column: message`, the file without its folder."""
        return [self._short(problem) for problem in read(self.files(), environ).problems if problem.severity == "error"]

    def warnings(self, **environ: str) -> list[str]:
        return [str(found.message) for found in read(self.files(), environ).problems if found.severity == "warning"]

    def config(self, **environ: str) -> Config:
        reading = read(self.files(), environ)
        assert reading.config is not None, [self._short(problem) for problem in reading.problems]
        return reading.config

    def _replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))

    def _short(self, problem: object) -> str:
        return str(problem).replace(f"{self.folder}/", "")
