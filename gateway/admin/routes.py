"""Every endpoint of the admin API, in one table: requests are dispatched, documented and tested by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.admin import breakers, cache, explain, keys, limits, log, process, providers, usage
from gateway.admin.ask import Handle
from gateway.admin.config import show_config
from gateway.admin.schemas import AFTER, BY, CACHE_KEY, CACHE_ROUTE, CACHE_TENANT, KEY_NAME, LIMIT, SINCE, Schema
from gateway.types import KeyRole


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """One endpoint. `body` and `answer` name schemas of `COMPONENTS`; without a `body`, none is read."""

    method: str
    path: str
    role: KeyRole  # the least
    handle: Handle
    summary: str
    answer: str
    body: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


ROUTES: tuple[AdminRoute, ...] = (
    AdminRoute(
        "GET", "/admin/keys", "operator", keys.list_keys, "List keys, without their secrets, in the order of their ids",
        "Keys", query={"limit": LIMIT, "after": AFTER},
    ),
    AdminRoute("POST", "/admin/keys", "admin", keys.make_key, "Make a key", "KeyWithSecret", "NewKey", status=201),
    AdminRoute("GET", "/admin/keys/{id}", "operator", keys.show_key, "Show a key", "Key"),
    AdminRoute("PATCH", "/admin/keys/{id}", "admin", keys.change_key, "Change a key", "Key", "KeyChange"),
    AdminRoute("DELETE", "/admin/keys/{id}", "admin", keys.revoke_key, "Revoke a key for good", "Key"),
    AdminRoute(
        "POST", "/admin/keys/{id}/rotate", "admin", keys.rotate_key, "Give a key another secret; the old one ends",
        "KeyWithSecret",
    ),
    AdminRoute(
        "GET", "/admin/usage", "operator", usage.show_usage, "Sum what was used and what it cost", "Usage",
        query={"by": BY, "since": SINCE},
    ),
    AdminRoute(
        "GET", "/admin/requests/{id}", "operator", usage.show_request, "Show the requests with an id, the newest first",
        "Requests",
    ),
    AdminRoute(
        "GET", "/admin/limits", "operator", limits.show_limits, "Show each route's limits, and what a key has left",
        "Limits", query={"key": KEY_NAME},
    ),
    AdminRoute("GET", "/admin/providers", "operator", providers.list_providers, "List providers", "Providers"),
    AdminRoute(
        "PUT", "/admin/providers/{name}/state", "admin", providers.set_provider_state,
        "Take a provider out or back, in this process until it ends", "Provider", "StateChange",
    ),
    AdminRoute(
        "GET", "/admin/breakers", "operator", breakers.list_breakers,
        "List each target's breaker, as this process has it", "Breakers",
    ),
    AdminRoute(
        "POST", "/admin/breakers/reset", "admin", breakers.reset_breaker,
        "Let a target be asked again at once, by this process", "Breaker", "BreakerReset",
    ),
    AdminRoute(
        "GET", "/admin/cache", "operator", cache.show_cache, "Show how many answers this process keeps", "Cache"
    ),
    AdminRoute(
        "DELETE", "/admin/cache", "admin", cache.purge_cache, "Purge kept answers: all, or those that agree", "Purged",
        query={"cache_key": CACHE_KEY, "tenant": CACHE_TENANT, "route": CACHE_ROUTE},
    ),
    AdminRoute(
        "GET", "/admin/log", "operator", log.show_log_level, "Show from which level on this process logs", "LogLevel"
    ),
    AdminRoute(
        "PUT", "/admin/log", "admin", log.set_log_level, "Log from another level on, in this process until a reload",
        "LogLevel", "LogLevelChange",
    ),
    AdminRoute(
        "POST", "/admin/explain", "operator", explain.explain_request,
        "Say what would become of a request, and why; nobody is called", "Explanation", "Question",
    ),
    AdminRoute("GET", "/admin/config", "operator", show_config, "Show the configuration in force, masked", "Config"),
    AdminRoute(
        "GET", "/admin/config/diff", "admin", process.compare_config, "Say what a reload of the files would change",
        "Outcome",
    ),
    AdminRoute(
        "POST", "/admin/config/reload", "admin", process.reload_config,
        "Read the files again, and say what was applied or why it was refused", "Outcome",
    ),
    AdminRoute(
        "POST", "/admin/config/rollback", "admin", process.roll_back_config,
        "Serve by the configuration before this one, or by one of the history; the files stay as they are", "Outcome",
        "Rollback",
    ),
    AdminRoute(
        "GET", "/admin/config/history", "admin", process.show_history, "List what this process served by, oldest first",
        "History",
    ),
    AdminRoute("GET", "/admin/status", "operator", process.show_status, "Show this process", "Status"),
)  # fmt: skip
