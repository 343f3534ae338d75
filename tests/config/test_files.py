from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.files import Files, bundled, find_files, plugin_folders
from gateway.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def make(folder: Path) -> Files:
    folder.mkdir(exist_ok=True)
    for name in ("routes.yaml", "providers.yaml"):
        (folder / name).write_text("version: 1\n")
    return Files(folder / "routes.yaml", folder / "providers.yaml")


def test_what_is_given_comes_first(tmp_path: Path) -> None:
    files = make(tmp_path / "a")
    environ = {"GATEWAY_CONFIG_DIR": str(tmp_path / "nowhere")}
    assert find_files([tmp_path / "a"], environ) == files
    assert find_files([files.routes], environ) == files
    assert find_files([files.providers], environ) == files
    assert find_files([files.routes, files.providers], environ) == files
    assert find_files([files.providers, files.routes], environ) == files


def test_the_files_need_not_lie_together(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a"), make(tmp_path / "b")
    found = find_files([one.routes, two.providers], {})
    assert found.folders == (tmp_path / "a", tmp_path / "b")
    assert plugin_folders(found)[:2] == (tmp_path / "a" / "plugins", tmp_path / "b" / "plugins")


def test_then_the_folder_that_the_environment_names(tmp_path: Path) -> None:
    make(tmp_path / "cwd")
    named = make(tmp_path / "a")
    assert find_files([], {"GATEWAY_CONFIG_DIR": str(tmp_path / "a")}) == named


def test_then_the_working_folder(tmp_path: Path) -> None:
    assert find_files([], {}).routes == bundled() / "routes.yaml"
    make(tmp_path / "cwd")
    assert find_files([], {}) == Files(Path("routes.yaml"), Path("providers.yaml"))


def test_our_own_files_are_there() -> None:
    for name in ("routes.yaml", "providers.yaml", "schemas/routes.schema.json", "plugins"):
        assert (bundled() / name).exists()


def test_a_wheel_carries_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "gateway"
    (package / "bundled").mkdir(parents=True)
    monkeypatch.setattr("gateway.config.files.__file__", str(package / "config" / "files.py"))
    assert bundled() == package / "bundled"


def test_a_folder_of_plugins_is_looked_through_once(tmp_path: Path) -> None:
    ours = find_files([bundled()], {})
    assert [folder.resolve() for folder in plugin_folders(ours)] == [(bundled() / "plugins").resolve()]


@pytest.mark.parametrize("names", [["nowhere"], ["no.yaml"], ["a/routes.yaml", "b.yaml"], ["a", "b", "c"], ["empty"]])
def test_what_is_asked_for_and_not_there_is_a_problem(tmp_path: Path, names: list[str]) -> None:
    make(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError):
        find_files([tmp_path / name for name in names], {})


def test_a_named_folder_that_is_not_there_does_not_fall_back(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_files([], {"GATEWAY_CONFIG_DIR": str(tmp_path / "nowhere")})
