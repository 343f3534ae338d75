"""Where a running gateway's socket lies: a folder that is the user's own, and nobody else's."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import runtime
from gateway.config.files import Files
from gateway.config.runtime import NoFolder, folders, own_folder, remove_dead, socket_path, sockets

FILES = Files(Path("routes.yaml"), Path("providers.yaml"))
NOBODYS_PID = 4_194_304  # above what Linux gives


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short name, for a socket's has at most 107 bytes; nothing else of this machine is looked at."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        found = Path(name)
        monkeypatch.setattr(runtime, "SYSTEM_FOLDER", found / "system")
        monkeypatch.setattr(tempfile, "gettempdir", lambda: str(found / "tmp"))
        (found / "tmp").mkdir()
        (found / "session").mkdir()
        yield found


def listening(path: Path) -> socket.socket:
    return socket.create_server(str(path), family=socket.AF_UNIX)


def test_the_systems_folder_comes_before_the_sessions_and_that_before_tmp(place: Path) -> None:
    temporary = place / "tmp" / f"ai-service-gateway-{os.geteuid()}"
    session = {"XDG_RUNTIME_DIR": str(place / "session")}
    assert folders({}) == [temporary]
    assert folders({"XDG_RUNTIME_DIR": str(place / "gone")}) == [temporary]
    assert own_folder(session) == place / "session" / "ai-service-gateway"
    (place / "system").mkdir(mode=0o755)
    assert own_folder(session) == place / "system"  # as systemd makes it


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_folder_that_is_open_to_others_is_not_used(place: Path, mode: int) -> None:
    folder = place / "tmp" / f"ai-service-gateway-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(NoFolder, match="open to others; chmod 700"):
        own_folder({})
    with listening(socket_path(folder, FILES, os.getpid())):
        assert list(sockets(FILES, {})) == []
        folder.chmod(0o700)
        assert [pid for pid, _ in sockets(FILES, {})] == [os.getpid()]


def test_a_link_to_a_folder_is_not_used(place: Path) -> None:
    (place / "others").mkdir(mode=0o700)
    (place / "tmp" / f"ai-service-gateway-{os.geteuid()}").symlink_to(place / "others")
    with pytest.raises(NoFolder, match="no folder"):
        own_folder({})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_not_used(place: Path) -> None:
    folder = place / "tmp" / "ai-service-gateway-0"
    folder.mkdir(mode=0o700)
    os.chown(folder, 1, 1)
    with pytest.raises(NoFolder, match="another user's"):
        own_folder({})


def test_other_files_are_another_gateway(place: Path) -> None:
    folder = own_folder({})
    other = Files(Path("other") / "routes.yaml", Path("providers.yaml"))
    with listening(socket_path(folder, FILES, 7)), listening(socket_path(folder, other, 8)):
        assert [pid for pid, _ in sockets(FILES, {})] == [7]
        assert [pid for pid, _ in sockets(other, {})] == [8]
        assert [pid for pid, _ in sockets(Files(FILES.routes.absolute(), FILES.providers), {})] == [7]


def test_only_what_nobody_has_and_nobody_listens_on_is_removed(place: Path) -> None:
    folder = own_folder({})
    paths = [socket_path(folder, FILES, pid) for pid in (NOBODYS_PID, NOBODYS_PID + 1, os.getpid())]
    open_ones = [listening(path) for path in paths]
    open_ones[0].close()  # killed, and nobody has its number
    open_ones[2].close()  # nobody listens yet, as in a process that is starting
    remove_dead(folder)
    assert [path.exists() for path in paths] == [False, True, True]
    open_ones[1].close()
