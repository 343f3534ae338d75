"""The unit for systemd, which docs/lifecycle.md names, fits what the gateway does by default."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from gateway.cli.run import EX_CONFIG
from gateway.config.model import Server
from tests.harness import ROOT

UNIT = ROOT / "deploy" / "systemd" / "ai-service-gateway.service"


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(re.sub(r"^(Environment=.*)$", "", UNIT.read_text(), flags=re.MULTILINE))
    return parser["Service"]


def test_the_unit_leaves_a_drain_its_time() -> None:
    server = Server()
    assert unit()["Type"] == "notify-reload"
    assert float(unit()["TimeoutStopSec"]) > server.shutdown_grace_s + server.shutdown_s + 1
    assert unit()["KillMode"] == "mixed"  # SIGTERM to all would be a second one for the workers
    assert unit()["RestartPreventExitStatus"] == str(EX_CONFIG)


def test_the_unit_is_the_one_that_the_page_names() -> None:
    assert Path("deploy/systemd") / UNIT.name == UNIT.relative_to(ROOT)
    assert str(UNIT.relative_to(ROOT)) in (ROOT / "docs" / "lifecycle.md").read_text()
