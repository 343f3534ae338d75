"""The command `gateway` without the time that its imports take: a process that has them forks, once for each call.

`python -m tests.docs.forking SOCKET` listens; a client hands it the words of a command with its three descriptors, its
folder and its environment. What then runs is a process of its own like any other.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pkgutil
import socket
import sys
from importlib import import_module

from gateway.cli import main as command

# The client, for shells: hands on signals and the status. Without `site` it starts in 10 ms; pages call it fifty times.
CLIENT = """#!{python} -ISE
import json, os, signal, socket, sys
from array import array
with socket.socket(socket.AF_UNIX) as link:
    link.connect({address!r})
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    link.sendmsg([b"%10d" % len(told) + told], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [0, 1, 2]))])
    answer = link.makefile()
    child = int(answer.readline())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    sys.exit(int(answer.readline()))
"""


def main(address: str) -> None:
    """Listen until the process is ended."""
    preload()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        print("ready", flush=True)
        while True:
            link, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                serve(link)
            link.close()
            reap()


def reap() -> None:
    """Wait for those that waited for a command, as far as they have ended: their time counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def preload() -> None:
    """Import what the commands import when they are called."""
    for name in ("cli", "server", "config", "stores.ledger"):
        package = import_module(f"gateway.{name}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                import_module(module.name)


def serve(link: socket.socket) -> None:
    """Fork the command; send its process id, and its status when it has ended."""
    head, descriptors, _, _ = socket.recv_fds(link, 10, 3)
    with link.makefile("rb") as file:
        arguments, folder, environ = json.loads(file.read(int(head)))
    child = os.fork()
    if child == 0:
        link.close()
        run(arguments, folder, environ, descriptors)
    for descriptor in (*descriptors, 0, 1):
        os.close(descriptor)
    with contextlib.suppress(BrokenPipeError):  # who called has gone
        link.sendall(b"%d\n" % child)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        link.sendall(b"%d\n" % (status if status >= 0 else 128 - status))
    os._exit(0)


def run(arguments: list[str], folder: str, environ: dict[str, str], descriptors: list[int]) -> None:
    """Be the command."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.exit(command(arguments))


if __name__ == "__main__":
    main(sys.argv[1])
