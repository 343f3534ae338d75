"""`gateway run`: serve until SIGTERM; SIGHUP reads the files again."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import click

EX_CONFIG = 78  # sysexits.h: something in the configuration is wrong
EX_UNAVAILABLE = 69  # the address cannot be listened on


@click.command("run")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--routes", type=click.Path(path_type=Path), help="The routes file, where it is not in one folder.")
@click.option("--providers", type=click.Path(path_type=Path), help="The providers file, likewise.")
def command(files: tuple[Path, ...], routes: Path | None, providers: Path | None) -> int:
    """Serve with the configuration in FILES: a folder, or routes.yaml and providers.yaml.

    Without FILES: $GATEWAY_CONFIG_DIR, else the working folder, else the bundled defaults. SIGHUP reads the files
    again; where they are faulty, the old configuration serves on.
    """
    gc.disable()  # what a start imports and loads stays; to look for rubbish in it takes a tenth of the time
    from gateway.cli.banner import banner
    from gateway.config.load import load
    from gateway.errors import ConfigError
    from gateway.server.lifecycle import CannotListen, serve
    from gateway.snapshot import Snapshot

    def announce(snapshot: Snapshot, base_url: str) -> None:
        gc.enable()
        click.echo(banner(snapshot, base_url))

    paths = [*files, *(path for path in (routes, providers) if path is not None)]
    try:
        asyncio.run(serve(lambda: load(paths, os.environ), announce))
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        click.echo("the configuration is refused; `gateway check` shows the lines", err=True)
        return EX_CONFIG
    except CannotListen as error:
        click.echo(str(error), err=True)
        return EX_UNAVAILABLE
    finally:
        gc.enable()
    return 0
