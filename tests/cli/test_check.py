"""`gateway check` as it is called: a process, its exit status, its output."""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.files import find_files
from gateway.config.load import read
from tests.config.folder import FREE, PLUGIN, PROVIDERS, ROUTES, Setup

ROOT = Path(__file__).parents[2]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    made = Setup(tmp_path)
    made.write("plugins/fake.py", PLUGIN)
    made.write("plugins/free.py", FREE)
    made.write("providers.yaml", PROVIDERS)
    made.write("routes.yaml", ROUTES)
    return made


def gateway(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, environ=environ)


def run(*arguments: object, environ: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    clean = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**clean, "PYTHONPATH": str(ROOT), **environ}, capture_output=True, text=True, timeout=60
    )


def check(setup: Setup, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return run("check", setup.folder, *arguments, environ=environ)


def test_a_sound_configuration_exits_with_0_and_says_who_serves(setup: Setup) -> None:
    done = check(setup)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "ok: 2 routes, 3 models, 2 providers",
        "  acme   off, ACME_KEY is not set",
        "  spare  stands by for chat, speech",
    ]


def test_a_faulty_one_exits_with_1_and_shows_line_and_caret(setup: Setup) -> None:
    setup.routes("model: fast", "modle: fast")
    done = check(setup)
    place = f"{setup.folder}/routes.yaml:10:56"
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{place}: 'modle' is not known in routes[0] (did you mean 'model'?)",
        "   10 |   - {path: /v1/chat/completions, dialect: openai.chat, modle: fast}",
        " " * 63 + "^",
        "1 problem",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["--format", "xml"],
        ["/nowhere/at/all"],
        ["routes.yaml", "providers.yaml", "routes.yaml"],
        ["schemas"],
    ],
)
def test_misuse_exits_with_64(arguments: list[str]) -> None:
    done = gateway("check", *arguments)
    assert done.returncode == 64
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["chekc"], ["--nope"]])
def test_an_unknown_command_exits_with_64(arguments: list[str]) -> None:
    assert gateway(*arguments).returncode == 64


def test_help_exits_with_0_and_names_the_commands() -> None:
    done = gateway("--help")
    assert done.returncode == 0
    assert "check" in done.stdout
    assert gateway("check", "--help").returncode == 0


def test_json_holds_all_there_is(setup: Setup) -> None:
    setup.routes("model: fast", "modle: fast")
    done = check(setup, "--format", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    [problem] = found["problems"]
    assert (problem["line"], problem["column"], problem["severity"]) == (10, 56, "error")
    setup.routes("modle: fast", "model: fast")
    found = json.loads(check(setup, "--format", "json").stdout)
    assert found["ok"] is True
    assert found["providers"]["acme"]["off_reason"] == "ACME_KEY is not set"


def test_github_gets_workflow_commands(setup: Setup) -> None:
    setup.routes("model: fast", '"mo%\\n": fast')
    done = check(setup, "--format", "github")
    assert done.returncode == 1
    assert done.stdout.startswith(f"::error file={setup.folder}/routes.yaml,line=10,col=56::'mo%25")
    assert len(done.stdout.splitlines()) == 1


def test_a_warning_is_printed_and_exits_with_0(setup: Setup) -> None:
    setup.routes("loopback", "never")
    done = check(setup)
    assert done.returncode == 0
    assert "warning: nobody may call" in done.stdout


def test_no_secret_is_ever_printed(setup: Setup) -> None:
    canaries = ["sk-canary-literal-1234567", "sk-canary-environ-123456", "canaryshort", "sk-canary-header-1234567"]
    setup.providers('{api_key: "${ACME_KEY:-}"}', f"{{api_key: {canaries[0]}, api_kye: ['{canaries[0]}'], x: [1}}")
    setup.providers("[1}", "[1]}")
    setup.providers("    plugin: fake\n", f"    plugin: fake\n    headers: {{X-Key: {canaries[3]}, 'a b': c}}\n")
    setup.routes("anonymous: loopback", f"anonimous: loopback, static: ['${{K}}', 'a:{canaries[2]}', '${{SHORT}}']")
    for style in ("text", "json", "github"):
        done = check(setup, "--format", style, K=canaries[1] + " ", SHORT="canarytiny")
        assert done.returncode == 1
        assert "canary" not in done.stdout + done.stderr


def test_no_secret_is_printed_where_the_file_is_no_yaml(setup: Setup) -> None:
    setup.providers('{api_key: "${ACME_KEY:-}"}', "{api_key: sk-canary1234567890abcd: }")
    done = check(setup)
    assert done.returncode == 1
    assert "this is not YAML" in done.stdout
    assert "canary" not in done.stdout


def test_no_colours_but_on_a_terminal(setup: Setup) -> None:
    setup.routes("model: fast", "modle: fast")
    assert "\x1b[" not in check(setup, FORCE_COLOR="1").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_says_so(setup: Setup, no_color: str, is_coloured: bool) -> None:
    setup.routes("model: fast", "modle: fast")
    ours, theirs = os.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": no_color, "TERM": "xterm"}
    command = [sys.executable, "-m", "gateway", "check", str(setup.folder)]
    assert subprocess.run(command, stdout=theirs, env=environ, timeout=60).returncode == 1
    os.close(theirs)
    assert (b"\x1b[" in os.read(ours, 65_536)) is is_coloured
    os.close(ours)


def test_a_long_line_is_cut_around_the_caret(setup: Setup) -> None:
    setup.routes("model: fast", f"auth: required, {'x' * 500}: 1")
    lines = check(setup).stdout.splitlines()
    assert all(len(line) < 400 for line in lines)


def test_without_files_the_bundled_ones_are_checked(tmp_path: Path) -> None:
    done = run("check", environ={}, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "stands by for chat, embeddings, realtime, speech, transcription" in done.stdout


def test_the_environment_may_name_the_folder(setup: Setup, tmp_path: Path) -> None:
    assert "2 providers" in gateway("check", GATEWAY_CONFIG_DIR=str(setup.folder)).stdout
    assert gateway("check", GATEWAY_CONFIG_DIR=str(tmp_path / "nowhere")).returncode == 64


def test_the_work_of_a_check_grows_with_the_routes_and_no_faster(setup: Setup) -> None:
    """Counted in calls of functions, the same on every machine; how long it takes is `make bench`'s to say."""
    models = "".join(f"  m{number}: {{operation: chat, targets: [acme/big, spare/chat]}}\n" for number in range(100))
    setup.routes("routes:", f"{models}routes:\n")
    plain = (setup.folder / "routes.yaml").read_text()

    def calls(routes: int) -> int:
        rows = "".join(
            f"  - path: /v1/r{number}\n    dialect: openai.chat\n    model: m{number % 100}\n"
            f"    quota: {{requests: [60/minute, '${{HOURLY:-1000}}/hour']}}\n    cache: {{ttl_s: '${{TTL:-300}}'}}\n"
            for number in range(routes)
        )
        (setup.folder / "routes.yaml").write_text(plain.replace("routes:\n", f"routes:\n{rows}", 1))
        profile = cProfile.Profile()
        with profile:
            assert read(find_files([setup.folder], {}), {}).config is not None
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    calls(1)  # what is made once
    none, some, many = calls(0), calls(100), calls(500)
    assert many - none < 5.5 * (some - none)
