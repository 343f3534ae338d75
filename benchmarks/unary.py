"""What a whole chat costs with everything on: key, limits, budget, cost, ledger, metrics, log.

Held against the same gateway with all of that off, against nginx and Envoy that only pass bytes, and, as `unary_peers`,
against other gateways.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.rig import guards, peers, processes, subjects, tools
from benchmarks.rig.cost import Cost, cost
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.stats import ratios
from benchmarks.rig.subjects import Subject
from benchmarks.rig.table import Goal, Row, Section, row

TITLE = "A whole chat, everything on"
GOALS = {"envoy": 1.5, "tensorzero": 0.9, "portkey": 0.1, "litellm": 0.015}
GOVERNED_TO_PLAIN = 0.85
SLICES, FOR_S = 3, 1.0  # many short turns: a neighbour that comes and goes then meets all of them
CONNECTIONS = {"litellm": 4}  # it answers so few in a round that sixteen under way at its end would weigh


def measure(options: Options) -> Section:
    rounds, notes = Rounds(SLICES * options.rounds), list[str]()
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        mock = stack.enter_context(subjects.nginx("mock", folder, core=core.load))
        running: dict[str, Subject] = {}
        for name, routes in (("gateway", subjects.GOVERNED), ("plain", subjects.PLAIN)):
            start = subjects.gateway(name, inside(folder, name), mock.port, routes, core=core.subject)
            running[name] = stack.enter_context(start)
        running["envoy"] = stack.enter_context(subjects.envoy(folder, mock.port, core=core.subject))
        running["nginx"] = stack.enter_context(
            subjects.nginx("proxy", folder, core=core.subject, upstream_port=mock.port)
        )
        for name, peer in peers.PEERS.items() if options.with_peers else ():
            try:
                running[name] = stack.enter_context(peer(inside(folder, name), mock.port, core=core.subject))
                subjects.check(running[name])
            except (RuntimeError, tools.MissingError) as error:
                running.pop(name, None)
                notes.append(f"{name} is not measured: {' '.join(str(error).split())}")
        for name in ("gateway", "plain", "envoy", "nginx"):
            subjects.check(running[name])
        turns = {
            name: partial(cost, subject, folder, FOR_S, connections=CONNECTIONS.get(name, 16))
            for name, subject in running.items()
        }
        found = rounds.run(turns)
        ceiling = cost(mock, folder, FOR_S).per_s
        notes += rounds.warnings()
        if warning := guards.ceiling_warning(ceiling, max(one.per_s for one in found["gateway"])):
            notes.append(warning)
        memory = {name: processes.resident_mb(subject.child.pid) for name, subject in running.items()}
    return Section("unary", TITLE, (*_costs(found), *_ratios(found), *_memory(memory)), tuple(notes))


def _costs(found: dict[str, list[Cost]]) -> list[Row]:
    names = {"gateway": "gateway, everything on", "plain": "gateway, everything off"}
    return [
        row(f"{names.get(name, name)}: processor time of a request", [one.per_request_us for one in costs], "µs")
        for name, costs in found.items()
    ]


def _ratios(found: dict[str, list[Cost]]) -> list[Row]:
    ours = [one.per_request_us for one in found["gateway"]]
    rows = [
        row(f"gateway / {name}", ratios(ours, [one.per_request_us for one in costs]), "", _goal(name))
        for name, costs in found.items()
        if name not in ("gateway", "plain")
    ]
    throughput = ratios([one.per_request_us for one in found["plain"]], ours)
    return [*rows, row("throughput governed / plain", throughput, "", Goal(">=", GOVERNED_TO_PLAIN))]


def _goal(name: str) -> Goal | None:
    return Goal("<=", GOALS[name]) if name in GOALS else None


def _memory(memory: dict[str, float]) -> list[Row]:
    return [row(f"{name}: resident afterwards", [used], "MB") for name, used in memory.items() if name != "plain"]
