"""deploy/systemd: systemd itself reads the unit, its time to stop is enough, and its credentials are read as files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from gateway.config.load import load
from gateway.config.model import Server
from tests.deploy.given import DEPLOY, LAST_S
from tests.harness import ROOT

UNIT = DEPLOY / "systemd" / "ai-service-gateway.service"
TEXT = UNIT.read_text()
NOTIFY_RELOAD = 253  # the version of systemd that knows this type


def value(key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", TEXT, re.MULTILINE)
    return str(found)


def verified(folder: Path, text: str) -> list[str]:
    """Return what systemd finds wrong with a unit; the program it names need not be installed here."""
    unit = folder / UNIT.name
    unit.write_text(text.replace("/opt/ai-service-gateway/bin/gateway", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    return [line for line in done.stderr.splitlines() if UNIT.name in line]


def systemd_version() -> int:
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1])


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    wrong = verified(tmp_path, TEXT)
    if systemd_version() < NOTIFY_RELOAD:
        assert [line for line in wrong if "notify-reload" not in line] == []
    else:
        assert wrong == []
    assert "ProtectSystm" in str(verified(tmp_path, TEXT.replace("ProtectSystem=", "ProtectSystm=")))


def test_no_call_is_cut_by_a_stop_with_the_times_that_are_not_said_otherwise() -> None:
    server = Server()
    assert int(value("TimeoutStopSec")) >= server.shutdown_grace_s + server.shutdown_s + LAST_S


def test_credentials_of_the_folder_are_read_by_the_path_that_systemd_gives_them(tmp_path: Path) -> None:
    """systemd.exec(5): of a folder each file is a credential, called by the id, `_` and its name."""
    credential, folder = value("LoadCredential").split(":")
    assert folder.removeprefix("/etc/") in value("ConfigurationDirectory").split(), "a start without it would fail"
    page = (ROOT / "docs" / "deploy.md").read_text()
    (line,) = re.findall(r"^credentials: .*$", page, re.MULTILINE)
    assert f"${{file:/run/credentials/{UNIT.name}/{credential}_openai_api_key}}" in line
    (tmp_path / f"{credential}_openai_api_key").write_text("sk-of-the-vendor-1234\n")
    here = line.replace(f"/run/credentials/{UNIT.name}", str(tmp_path))
    (tmp_path / "providers.yaml").write_text(
        f"version: 1\nproviders:\n  openai:\n    plugin: openai\n    {here}\n    models: {{m: {{operation: chat}}}}\n"
    )
    (tmp_path / "routes.yaml").write_text(
        'version: 1\nserver: {listen: "127.0.0.1:0"}\nmodels: {chat: {operation: chat, targets: [openai/m]}}\n'
        "routes: [{path: /v1/chat/completions, dialect: openai.chat}]\n"
    )
    provider = load(tmp_path, {}).providers["openai"]
    assert provider.off_reason is None
    assert provider.credentials["api_key"] == "sk-of-the-vendor-1234"
