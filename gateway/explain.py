"""What would become of a request, and why: told by the links that would serve it. Nobody is called, nothing is kept.

Each link of the chain that decides something has an `explain` beside its `__call__`, which decides by the same lines
and returns the call as the next link would get it. A link without one, as an operator's own may be, lets all pass.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from gateway import json
from gateway.decode import decode
from gateway.dialects.samples import SAMPLES
from gateway.errors import GatewayError, InvalidRequest
from gateway.middlewares.estimate import expected_cost
from gateway.services import Services
from gateway.snapshot import Endpoint, Snapshot
from gateway.types import EMPTY, Call, Client, Facts, Form, Head, Inbound, Receipt, Upload

MAX_SECONDS = 3_600.0
_RATE_HZ = 8_000  # of the recording that stands for the client's own: 16 bits of one channel, which all vendors take


@dataclass(frozen=True, slots=True)
class Question:
    """A request that nobody makes. `body` is JSON's value, or the fields of a form beside its recording."""

    method: str
    path: str  # with its query
    body: Mapping[str, Any] = EMPTY
    headers: Mapping[str, str] = EMPTY
    client: Client | None = None  # as if a key of his came with it; None: as the headers say
    remote: str = "127.0.0.1"
    seconds: float = 1.0  # how long the recording is, where one is asked about


async def explain(question: Question, snapshot: Snapshot, services: Services) -> Facts:
    """Return what would happen, in that order: route, chain, client, limits, cache, targets, answer."""
    facts: Facts = {"config": snapshot.generation, "route": None, "chain": []}
    try:
        call = await _told(question, snapshot, facts)
        for name, link in facts.pop("links"):
            ask = getattr(link, "explain", None)
            facts["chain"].append(name)
            if ask is not None:
                call = await ask(call, facts)
    except GatewayError as error:
        facts.pop("links", None)
        facts["answer"] = {
            "status": error.status,
            "code": error.code,
            "message": error.message,
            "retry_after_s": error.retry_after_s,
        }
        return facts
    facts["prices"] = _prices(call, services)
    facts["answer"] = _answer(facts)
    return facts


async def _told(question: Question, snapshot: Snapshot, facts: Facts) -> Call:
    """Return the call as it would come into the chain, whose links `facts` has for now."""
    path, _, query = question.path.partition("?")
    headers = {"host": "localhost", **{name.lower(): value for name, value in question.headers.items()}}
    head = Head(
        "explain", question.method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, question.remote,
        raw_query=query,
    )  # fmt: skip
    endpoint, params = snapshot.endpoints.find("GET" if head.method == "HEAD" else head.method, path)
    dialect, route = endpoint.dialect, endpoint.route
    facts["route"] = {"name": route.name, "dialect": dialect.name, "operation": dialect.operation}
    facts["links"] = endpoint.links
    head = _admitted(replace(head, params=params) if params else head, endpoint, question.client)
    receipt = Receipt("explain", asyncio.get_running_loop().time(), snapshot.generation, route.name)
    inbound = await asyncio.to_thread(_inbound, head, endpoint, question)  # an hour takes a while to make
    call = snapshot.resolve(await decode(dialect, inbound, receipt), route)
    facts["model"] = call.model
    return call


def _admitted(head: Head, endpoint: Endpoint, client: Client | None) -> Head:
    for admit in endpoint.admits:
        admit_as = getattr(getattr(admit, "__self__", None), "admit_as", None)
        head = admit(head) if client is None or admit_as is None else admit_as(head, client)
    return head


def _inbound(head: Head, endpoint: Endpoint, question: Question) -> Inbound:
    if not endpoint.dialect.takes_form:
        if getattr(endpoint.dialect, "takes_upload", False):
            raise InvalidRequest("what is passed through is not looked into; there is nothing to explain but the route")
        body = {**SAMPLES.get(endpoint.dialect.name, EMPTY), **question.body}
        return Inbound(head, json.dumps(body) if question.method not in ("GET", "HEAD") else b"")
    if not 0 < question.seconds <= MAX_SECONDS:
        raise InvalidRequest(
            f"a recording of {question.seconds:g} s; ask about more than 0 and at most {MAX_SECONDS:g}"
        )
    fields = tuple((name, _field(value)) for name, value in question.body.items())
    sound = _silence(question.seconds)
    upload = Upload("silence.wav", "audio/wav", len(sound), io.BytesIO(sound))
    return Inbound(head, b"", Form(fields, (("file", upload),)))


def _field(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


def _silence(seconds: float) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_RATE_HZ)
        writer.writeframes(bytes(2 * round(seconds * _RATE_HZ)))
    return target.getvalue()


def _prices(call: Call, services: Services) -> dict[str, int | None]:
    """Return what each target is expected to cost, in nano-dollars; None where it has no price."""
    now_s = services.limiter.now()
    factor = services.calibration.factor
    return {target.name: expected_cost(call, target, now_s, factor(target.name)) for target in call.targets}


def _answer(facts: Facts) -> Facts:
    if facts.get("cache", {}).get("result") in ("hit", "stale"):
        return {"from": "cache"}
    if "steps" in facts:
        return {"from": [step["targets"][:1] for step in facts["steps"]]}
    targets = facts.get("targets")
    return {"from": targets[0]} if targets else {"from": "the gateway itself"}
