"""Where a running gateway can be found by who may run commands as its user: a socket named for its two files.

`<folder>/<digest of the files' paths>-<process id>.sock`, in a folder of the user's own. Whoever can open it is the
operator: the folder is 0700, and one that belongs to somebody else is not used.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config.files import Files

NAME = "ai-service-gateway"
PROBE_S = 5.0  # a process that is starting, or whose machine is loaded, takes its time to accept
SYSTEM_FOLDER = Path("/run") / NAME  # made by systemd (RuntimeDirectory=), or by an image; then it is preferred


class NoFolder(Exception):
    """There is no folder that is the user's own; the message says why."""


def folders(environ: Mapping[str, str]) -> list[Path]:
    """Return where sockets may lie, the preferred first."""
    of_session = environ.get("XDG_RUNTIME_DIR", "")
    found = [SYSTEM_FOLDER] if SYSTEM_FOLDER.is_dir() else []
    found += [Path(of_session) / NAME] if of_session and Path(of_session).is_dir() else []
    return [*found, Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}"]


def own_folder(environ: Mapping[str, str]) -> Path:
    """Return the first of `folders` that is the user's own, made where it has to be. Raises NoFolder."""
    reasons = []
    for folder in folders(environ):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            reason = _fault(folder)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        if reason is None and os.access(folder, os.W_OK):
            return folder
        reasons.append(f"{folder}: {reason or 'not writable'}")
    raise NoFolder("; ".join(reasons))


def _fault(folder: Path) -> str | None:
    """Return why a folder is not trusted: another user could have put a socket of his into it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "no folder"
    if found.st_uid != os.geteuid():
        return "another user's"
    if found.st_mode & 0o077 and folder != SYSTEM_FOLDER:
        return "open to others; chmod 700 it"
    return None


def remove_dead(folder: Path) -> None:
    """Remove the sockets of processes that were killed: nobody has that process id, and nobody listens."""
    for path in folder.glob("*.sock"):
        pid = path.stem.rpartition("-")[2]
        if pid.isdecimal() and not _is_process(int(pid)) and not is_alive(path):
            path.unlink(missing_ok=True)


def is_alive(path: Path) -> bool:
    """Say whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def socket_path(folder: Path, files: Files, pid: int) -> Path:
    return folder / f"{_digest(files)}-{pid}.sock"


def sockets(files: Files, environ: Mapping[str, str]) -> Iterator[tuple[int, Path]]:
    """Yield process id and socket of all that may run on these files; a process may have died and left its own."""
    for folder in folders(environ):
        try:
            if _fault(folder) is not None and not (os.geteuid() == 0 and folder == SYSTEM_FOLDER):
                continue
            names = sorted(folder.glob(f"{_digest(files)}-*.sock"))
        except OSError:  # there is no such folder
            continue
        for path in names:
            pid = path.stem.rpartition("-")[2]
            if pid.isdecimal():
                yield int(pid), path


def _digest(files: Files) -> str:
    """Return 16 hexadecimal digits. Of where the files are named, not of where a link leads: that may be swapped."""
    text = "\0".join(os.path.abspath(path) for path in (files.routes, files.providers))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
