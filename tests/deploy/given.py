"""The configuration of deploy/config as a deployment has it, with its secrets in a folder of the test."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from gateway.config.load import load
from gateway.config.model import Config
from tests.harness import ROOT

DEPLOY = ROOT / "deploy"
CONFIG = DEPLOY / "config"
LAST_S = 1.0  # docs/lifecycle.md: what a stop takes at most beyond shutdown_grace_s and shutdown_s
MADE = ("api_keys", "redis_url", "database_url")


def secrets_named() -> set[str]:
    """Return the files below /run/secrets that the configuration reads."""
    text = "".join((CONFIG / name).read_text() for name in ("routes.yaml", "providers.yaml"))
    return set(re.findall(r"\$\{file:/run/secrets/([a-z_]+)\}", text))


def make_secrets(folder: Path) -> Path:
    """Run deploy/compose/make-secrets as an operator does, beside a copy of it; return where the secrets are."""
    shutil.copy(DEPLOY / "compose" / "make-secrets", folder)
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True, timeout=30)
    return folder / "secrets"


def texts(secrets: Path) -> tuple[str, str]:
    """Return providers.yaml and routes.yaml, reading the secrets there."""
    providers, routes = (
        (CONFIG / name).read_text().replace("/run/secrets/", f"{secrets}/")
        for name in ("providers.yaml", "routes.yaml")
    )
    return providers, routes


def config(folder: Path) -> Config:
    """Return it as loaded, with new secrets in the folder."""
    providers, routes = texts(make_secrets(folder))
    (folder / "providers.yaml").write_text(providers)
    (folder / "routes.yaml").write_text(routes)
    return load(folder, {})


def longest_call_s(given: Config) -> float:
    """Return the deadline of the call that may take longest."""
    deadlines = [route.total_s for route in given.routes]
    assert None not in deadlines, "a route without total_s may take for ever"
    return max(deadline for deadline in deadlines if deadline is not None)


def stop_s(given: Config) -> float:
    """Return what a stop of the process takes at most."""
    return given.server.shutdown_grace_s + given.server.shutdown_s + LAST_S
