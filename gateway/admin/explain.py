"""What would become of a request, told by the process that would serve it. Nobody is called."""

from __future__ import annotations

from gateway.admin.access import check_every_tenant, is_visible
from gateway.admin.ask import Answer, Ask
from gateway.errors import NotFound
from gateway.explain import Question, explain
from gateway.middlewares.auth import declared
from gateway.types import Client


async def explain_request(ask: Ask) -> Answer:
    body = ask.body
    if "key" not in body:
        check_every_tenant(ask.client)  # who has no key is of no tenant
    question = Question(
        method=body["method"],
        path=body["path"],
        body=body.get("body", {}),
        headers=body.get("headers", {}),
        client=_client(ask, body["key"]) if "key" in body else None,
        seconds=body.get("seconds", 1.0),
    )
    return await explain(question, ask.snapshot, ask.services)


def _client(ask: Ask, name: str) -> Client:
    """Return whose key that is. Raises NotFound where there is none that may be seen."""
    known = (client for client in declared(ask.snapshot.config.keys).values() if client.name == name)
    found = next(known, None) or ask.services.keys.of_id(name)
    if found is None or not is_visible(ask.client, found.tenant):
        raise NotFound("there is no such key; give an id of GET /admin/keys, or a name of routes.yaml", param="key")
    return found
