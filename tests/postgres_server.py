"""A real PostgreSQL for tests: Debian's server on a free port of this machine, its files in a folder that goes away."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

PROGRAMS = "/usr/lib/postgresql"
OWNER = "postgres"  # the server refuses to run as root
PASSWORD = "secret-of-the-database"

# Nothing of it has to survive this machine; what is committed has to survive the server.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "unix_socket_directories": "''"}
SETTINGS |= {"listen_addresses": "127.0.0.1", "max_connections": "50"}

_names = count(1)


@dataclass
class PostgresServer:
    programs: Path
    folder: Path
    port: int

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "-D", self._data, "-l", log, "-o", f"-p {self.port} {settings}")

    def stop(self) -> None:
        """End it as by kill -9: every connection breaks in the middle of what it does."""
        self._run("pg_ctl", "stop", "--wait", "-D", self._data, "-m", "immediate")

    def new_database(self) -> str:
        """Return the URL of a database of its own."""
        name = f"test_{next(_names)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, name)
        return f"postgresql://{OWNER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def set_up(self) -> None:
        self._run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", OWNER, "-D", self._data)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        owner = ("setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups") if os.getuid() == 0 else ()
        subprocess.run(
            (*owner, str(self.programs / program), *arguments), cwd="/", check=True, stdout=subprocess.DEVNULL
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    found = sorted(Path(PROGRAMS).glob("*/bin/initdb"))
    assert found, f"no PostgreSQL below {PROGRAMS}: apt-get install postgresql"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, OWNER, OWNER)
    server = PostgresServer(found[-1].parent, folder, port)
    try:
        server.set_up()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)
