"""`gateway run` where it cannot serve: what it says, and how it exits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, ROUTES, SANDBOX


def run(folder: Path, routes: str, providers: str = SANDBOX) -> subprocess.CompletedProcess[str]:
    (folder / "routes.yaml").write_text(routes)
    (folder / "providers.yaml").write_text(providers)
    command = [sys.executable, "-m", "gateway", "run", str(folder)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)


def test_an_address_that_is_taken_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run(tmp_path, ROUTES.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; "
        "end what listens there, or give another server.listen (GATEWAY_LISTEN)\n"
    )


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, ROUTES.replace("127.0.0.1:0", "192.0.2.1:8001"))
    assert done.returncode == 69
    assert done.stderr.startswith("cannot listen on 192.0.2.1:8001: cannot assign requested address; ")


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("def MIDDLEWARE(options):\n    1 / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
        ("def MIDDLEWARE(:\n", "mine.py:1: SyntaxError"),
    ],
)
def test_a_middleware_that_fails_stops_the_start_without_a_traceback(tmp_path: Path, plugin: str, message: str) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(plugin)
    link = "dialect: openai.chat, middlewares: [{name: mine, after: auth}]}"
    done = run(tmp_path, ROUTES.replace("dialect: openai.chat}", link))
    assert (done.returncode, done.stdout) == (78, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("the configuration is refused; `gateway check` shows the lines\n")
