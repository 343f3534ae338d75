"""`gateway run`: serve until SIGTERM; SIGHUP reads the files again."""

from __future__ import annotations

import asyncio
import gc
import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

EX_CONFIG = 78  # sysexits.h: something in the configuration is wrong
EX_UNAVAILABLE = 69  # the address cannot be listened on, or the ledger not be opened
EX_NOT_FOUND = 127  # of a shell, where there is no such command
SIGNALLED = 128  # of a shell: and the signal's number
GRACE_S = 10.0  # for a command to end after SIGTERM


@click.command("run")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--routes", type=click.Path(path_type=Path), help="The routes file, where it is not in one folder.")
@click.option("--providers", type=click.Path(path_type=Path), help="The providers file, likewise.")
@click.option("--watch", is_flag=True, help="Reload where the files change, as SIGHUP does.")
@click.option("--exec", "command_line", help="Serve while this command runs, and exit with its status.")
def command(
    files: tuple[Path, ...], routes: Path | None, providers: Path | None, watch: bool, command_line: str | None
) -> int:
    """Serve with the configuration in FILES: a folder, or routes.yaml and providers.yaml.

    Without FILES: $GATEWAY_CONFIG_DIR, else the working folder, else the bundled defaults. SIGHUP reads the files
    again; where they are faulty, the old configuration serves on.
    """
    companion = _Companion(_split(command_line)) if command_line is not None else None
    gc.disable()  # what a start imports and loads stays; to look for rubbish in it takes a tenth of the time
    from gateway.cli.banner import banner
    from gateway.config.files import find_files
    from gateway.config.load import load
    from gateway.config.model import Config
    from gateway.errors import ConfigError
    from gateway.server.control import Control
    from gateway.server.follow import Follower
    from gateway.server.lifecycle import serve
    from gateway.server.link import Link, Place
    from gateway.server.notify import Notifier
    from gateway.server.sockets import CannotListen
    from gateway.server.supervisor import Supervisor
    from gateway.stores.ledger import LedgerAway

    def announce(config: Config, base_url: str, first_key: str | None) -> None:
        gc.enable()
        click.echo(banner(config, base_url, first_key), err=companion is not None)
        if companion is not None:
            companion.needs_key = config.keys.anonymous == "never"

    def guarded(act: Callable[[], int]) -> int:
        """Do it, and say what stops it."""
        try:
            return act()
        except ConfigError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            click.echo("the configuration is refused; `gateway check` shows the lines", err=True)
            return EX_CONFIG
        except LedgerAway as error:
            click.echo(f"{error}; free or start it, or name another in stores.database_url (DATABASE_URL)", err=True)
            return EX_UNAVAILABLE
        except CannotListen as error:
            click.echo(str(error), err=True)
            return EX_UNAVAILABLE
        finally:
            gc.enable()

    def work(place: Place) -> int:
        """Be one of several workers; the first of them is who an operator talks to."""
        found, is_first = find_files(paths, os.environ), place.share.index == 0
        asyncio.run(
            serve(
                load_files,
                lambda *_: gc.enable(),
                Control(found, os.environ, os.getppid()) if is_first else None,
                follow=Follower(found) if watch and is_first else None,
                link=Link(place, load_files),
            )
        )
        return 0

    def start() -> int:
        found, config = find_files(paths, os.environ), load_files()
        notifier = Notifier(os.environ)
        if config.server.workers > 1:
            if companion is not None:
                raise click.UsageError("--exec is for one process: set server.workers (WORKERS) to 1")
            return Supervisor(config, load_files, lambda place: guarded(lambda: work(place)), announce, notifier).run()
        once = iter([config])
        asyncio.run(
            serve(
                lambda: next(once, None) or load_files(),
                announce,
                Control(found, os.environ),
                follow=Follower(found) if watch else None,
                beside=companion.run if companion is not None else None,
                notifier=notifier,
            )
        )
        return companion.status if companion is not None else 0

    def load_files() -> Config:
        return load(paths, os.environ)

    paths = [*files, *(path for path in (routes, providers) if path is not None)]
    return guarded(start)


def _split(command_line: str) -> list[str]:
    try:
        words = shlex.split(command_line)
    except ValueError as error:
        raise click.UsageError(f"--exec {command_line!r} cannot be split into words: {error}") from error
    if not words:
        raise click.UsageError("--exec names no command")
    return words


@dataclass(slots=True)
class _Companion:
    """The command of --exec. Not frozen: it learns whether a key is needed, and how the command ended."""

    words: list[str]
    needs_key: bool = False
    status: int = 0

    async def run(self, base_url: str) -> None:
        """Run the command with the variables by which clients find the gateway; end it where this is cancelled."""
        from gateway.dialects.environment import client_environment

        environ = {**os.environ, **client_environment(base_url, needs_key=self.needs_key)}
        try:
            child = await asyncio.create_subprocess_exec(*self.words, env=environ)
        except OSError as error:
            click.echo(f"--exec {self.words[0]}: {(error.strerror or str(error)).lower()}", err=True)
            self.status = EX_NOT_FOUND
            return
        try:
            self.status = _status(await child.wait())
        finally:
            if child.returncode is None:
                self.status = _status(await _ended(child))


def _status(returncode: int) -> int:
    return returncode if returncode >= 0 else SIGNALLED - returncode


async def _ended(child: asyncio.subprocess.Process) -> int:
    """End a process, by force where it takes too long, and return its exit status."""
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            return await child.wait()
    except TimeoutError:
        child.kill()
        return await child.wait()
