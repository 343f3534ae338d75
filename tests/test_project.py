"""What the project promises about itself: commands that exist, locks that hold, code that stays small and finished."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

MAX_LINES = 400  # past that a second idea has moved in
MAX_CORE_PACKAGES = 35  # what an operator has to trust to run the gateway

# Where "anything at all may have gone wrong" is a fact and not laziness; `file: reason`.
BOUNDARIES = {
    "gateway/server/app.py": "the one error boundary: whatever a call ends in, the client is told in its dialect",
    "gateway/server/reloader.py": "a reload that fails in whatever way must not end what serves",
    "gateway/server/supervisor.py": "a forked worker that fails in whatever way must not go on as a supervisor",
    "gateway/config/foreign.py": "the same while the files are compiled: what it raises is a problem to report",
    "gateway/cli/conformance.py": "whatever a plugin raises where it may not is what its conformance test looks for",
    "gateway/cli/plugins.py": "the same of what it raises while a case is played",
    "gateway/plugin.py": "a plugin is somebody else's code: whatever its import raises is a problem to report",
    "gateway/worker.py": "the boundary of a subprocess: whatever the work raises is its answer",
    "gateway/flow.py": "what a stage or an observer raises is the reader's, whoever has brought the piece",
    "gateway/chain.py": "every closer runs, whatever the one before it raised; the first error comes last",
}

# Written so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
REGISTRIES = re.compile(r"pypi\." + r"org|python" + r"hosted\.org|registry\." + r"npmjs|--(?:extra-)?index-" + r"url")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the project's own files: what git knows or would take; without git, all but what is generated."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        names = [ROOT / name for name in listing.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        generated = {".venv", "build", "dist", "__pycache__", "node_modules"}
        names = [path for path in ROOT.rglob("*") if not generated & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in names if path.is_file()))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""  # a recording or a picture


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(requirement: str) -> str:
    """Return a requirement's distribution name as an index compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]).lower()


def locked(lock: str) -> dict[str, list[str]]:
    """Return distribution name -> its lines, of requirements/`lock`.txt."""
    packages: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            packages.setdefault(normal(line), []).append(line)
        elif line.strip().startswith("--hash="):
            packages[next(reversed(packages))].append(line)
    return packages


LOCKS = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))


# ---------------------------------------------------------------- commands


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(page: Path) -> list[list[str]]:
    """Return the commands in a page's shell blocks, each split into words."""
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.count("'") % 2 == 0]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_of_a_page_exists(page: str) -> None:
    used = {words[1] for words in commands(ROOT / page) if len(words) > 1 and words[0] == "make"}
    assert used, f"{page} shows no make command in a shell block"
    assert used <= make_targets()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_gateway_command_of_a_page_exists(page: str) -> None:
    programs = ("gateway", ".venv/bin/gateway")
    used = {words[1] for words in commands(ROOT / page) if len(words) > 1 and words[0] in programs}
    offered = subprocess.run([ROOT / ".venv/bin/gateway", "--help"], capture_output=True, text=True) if used else None
    for name in sorted(used):
        assert offered is not None
        assert re.search(rf"^\s+{re.escape(name)}\b", offered.stdout, re.MULTILINE), f"gateway {name} is no command"


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, ".ci/run is not executable"
    assert "make test" in script.read_text()
    assert ["make", "test"] in [words[:2] for words in commands(ROOT / "README.md")]


def test_every_make_target_is_phony_and_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert declared is not None
    assert set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == make_targets() == set(declared[1].split())


def test_every_debian_package_says_what_for() -> None:
    for line in (ROOT / "scripts" / "debian-packages.txt").read_text().splitlines():
        assert re.fullmatch(r"(?:[a-z0-9.+-]+ +)?# \S.*", line), line


# ---------------------------------------------------------------- dependencies


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_exact_and_carries_its_hash(lock: str) -> None:
    packages = locked(lock)
    assert packages
    for name, lines in packages.items():
        assert re.match(r"[A-Za-z0-9._-]+==[^ ;]+", lines[0]), f"{name} is not pinned"
        assert any(re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines), f"{name} has no hash"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_says_what_and_not_where_from(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)


def test_the_core_stays_small() -> None:
    assert len(locked("core")) <= MAX_CORE_PACKAGES


def test_what_pyproject_asks_for_is_what_the_locks_hold() -> None:
    core = {normal(item) for item in project()["project"]["dependencies"]}
    extras = project()["project"]["optional-dependencies"]
    groups = project()["dependency-groups"]
    assert core <= set(locked("core"))
    assert core | {normal(item) for extra in extras.values() for item in extra} <= set(locked("full"))
    for name in ("build", "lock", "test"):
        assert {normal(item) for item in groups[name] if isinstance(item, str)} <= set(locked(name))


def test_users_run_the_versions_that_were_tested() -> None:
    tested = locked("test")
    for lock in ("core", "full", "build"):
        for name, lines in locked(lock).items():
            assert lines == tested[name], f"{name} in {lock}.txt is not what test.txt has; run: make lock"


def test_the_project_is_built_by_what_is_locked() -> None:
    assert project()["build-system"]["requires"] == project()["dependency-groups"]["build"]


def test_each_dependency_has_its_reason_written_down() -> None:
    page = (ROOT / "docs/decisions/0001-dependencies.md").read_text()
    groups = project()["dependency-groups"].values()
    wanted = [
        *project()["project"]["dependencies"],
        *(item for extra in project()["project"]["optional-dependencies"].values() for item in extra),
        *(item for group in groups for item in group if isinstance(item, str)),
    ]
    missing = {normal(item) for item in wanted if f"| `{normal(item)}` |" not in page.lower()}
    assert not missing


def test_no_file_names_a_package_registry() -> None:
    assert [name_of(path) for path in tracked_files() if REGISTRIES.search(text_of(path))] == []


def test_the_licence_is_apache_2() -> None:
    assert project()["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_knows_the_version() -> None:
    version = re.escape(project()["project"]["version"])
    assert re.search(rf"^## .*{version}", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


# ---------------------------------------------------------------- code


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


def broad_handlers(source: str) -> list[int]:
    """Return the lines of handlers that catch everything and swallow it; one that ends in a bare `raise` does not."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            is_broad = any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)
            ending = node.body[-1]
            passes_on = isinstance(ending, ast.Raise) and ending.exc is None
            if is_broad and not passes_on:
                lines.append(node.lineno)
    return lines


def test_no_python_file_has_grown_a_second_idea() -> None:
    sizes = {name_of(path): len(text_of(path).splitlines()) for path in python_files()}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize("path", python_files("gateway", "plugins"), ids=name_of)
def test_only_a_boundary_catches_everything(path: Path) -> None:
    if name_of(path) not in BOUNDARIES:
        assert broad_handlers(text_of(path)) == []


@pytest.mark.parametrize(
    "handler",
    [
        "except:\n    pass",
        "except Exception:\n    pass",
        "except (ValueError, BaseException) as e:\n    f(e)",
        "except Exception as e:\n    raise X from e",
    ],
)
def test_a_handler_that_catches_everything_is_seen(handler: str) -> None:
    assert broad_handlers(f"try:\n    f()\n{handler}")


@pytest.mark.parametrize("handler", ["except ValueError:\n    pass", "except BaseException:\n    undo()\n    raise"])
def test_a_handler_that_is_narrow_or_passes_on_is_fine(handler: str) -> None:
    assert broad_handlers(f"try:\n    f()\n{handler}") == []


def test_nothing_is_left_for_later_in_a_comment() -> None:
    assert [name_of(path) for path in tracked_files() if UNFINISHED.search(text_of(path))] == []
