"""How much of its throughput the gateway keeps with 10,000 routes, and with 100,000 keys."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.rig import processes, subjects, wire
from benchmarks.rig.cost import cost
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.stats import ratios
from benchmarks.rig.table import Goal, Section, row
from gateway.stores.keys.secret import digest_of
from gateway.stores.keys.store import KeyStore, StoredKey
from gateway.types import Scopes

TITLE = "Many routes, many keys"
ROUTES, KEYS = 10_000, 100_000
KEPT = 0.97
INCLUDED = "teams-*.yaml"
A_FILE = 2_000  # routes: a file may have a mebibyte
SLICES, FOR_S = 3, 1.0  # many short turns: a neighbour that comes and goes then meets all of them


def measure(options: Options) -> Section:
    routes, keys, rounds = options.count(ROUTES, 500), options.count(KEYS, 2_000), Rounds(SLICES * options.rounds)
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        mock = stack.enter_context(subjects.nginx("mock", folder, core=core.load))
        running = {}
        for name in ("one", "routes", "keys"):
            place = inside(folder, name)
            if name == "routes":
                add_routes(place, routes)
            if name == "keys":
                add_keys(place, keys)
            text = subjects.GOVERNED.replace("version: 1\n", f"version: 1\ninclude: ['{INCLUDED}']\n", 1)
            start = subjects.gateway(
                name, place, mock.port, text if name == "routes" else subjects.GOVERNED, core=core.subject
            )
            running[name] = stack.enter_context(start)
            subjects.check(running[name])
        found = rounds.run({name: partial(cost, subject, folder, FOR_S) for name, subject in running.items()})
        memory = {name: processes.resident_mb(subject.child.pid) for name, subject in running.items()}
    us = {name: [one.per_request_us for one in costs] for name, costs in found.items()}
    rows = (
        row("one route, one key: processor time of a request", us["one"], "µs"),
        row(f"throughput with {routes:,} routes / with one", ratios(us["one"], us["routes"]), "", Goal(">=", KEPT)),
        row(f"throughput with {keys:,} keys / with one", ratios(us["one"], us["keys"]), "", Goal(">=", KEPT)),
        *(row(f"{name}: resident afterwards", [used], "MB") for name, used in memory.items()),
    )
    return Section("scale", TITLE, rows, rounds.warnings())


def add_routes(folder: Path, count: int) -> None:
    """Write so many routes, with the one that is asked, into files to include, each with limits of its own."""
    more = [
        f"  - {{path: /team-{number}/chat, dialect: openai.chat, {subjects.QUOTA}}}\n" for number in range(count - 1)
    ]  # fmt: skip
    for start in range(0, len(more), A_FILE):
        text = "".join(["version: 1\nroutes:\n", *more[start : start + A_FILE]])
        (folder / INCLUDED.replace("*", str(start))).write_text(text)


def add_keys(folder: Path, count: int) -> None:
    """Write so many keys where the gateway finds them, beside the one that asks."""
    KeyStore(f"sqlite:{folder / 'gateway.db'}").add([
        StoredKey(
            f"key_{number:012x}",
            f"app-{number}",
            f"tenant-{number % 100}",
            digest_of(secret),
            Scopes(),
            1_700_000_000.0,
        )
        for number in range(count)
        for secret in [f"{wire.KEY}-{number}"]
    ])  # fmt: skip
