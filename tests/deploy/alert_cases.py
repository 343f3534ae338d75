"""For each alert what makes it fire and what keeps it quiet, in promtool's notation: a value a minute, `+1x9` grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Series = Mapping[str, str]
JOB = 'job="ai-service-gateway"'
A = f'{JOB},instance="a:8001"'
AT_A = {"job": "ai-service-gateway", "instance": "a:8001"}
OF_JOB = {"job": "ai-service-gateway"}


@dataclass(frozen=True, slots=True)
class Case:
    fires: Series
    quiet: Series
    at: str  # when both are looked at
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    minutes: int = 1  # between two values, and two looks at the rules


def requests(ok: str, failed: str) -> Series:
    return {
        f'gateway_requests_total{{{A},route="POST /v1/chat/completions",status="200"}}': ok,
        f'gateway_requests_total{{{A},route="POST /v1/chat/completions",status="502"}}': failed,
    }


def one(name: str, more: str = "") -> str:
    return f"{name}{{{A}{',' if more else ''}{more}}}"


def overheads(slow: str) -> Series:
    buckets = {"0.001": "0+100x60", "0.05": "0+100x60", "0.1": slow, "+Inf": slow}
    return {one("gateway_overhead_seconds_bucket", f'route="POST /x",le="{bound}"'): v for bound, v in buckets.items()}


CASES = {
    "GatewayGone": Case(
        {one("up"): "1x5 0x20"}, {one("up"): "0x20", f'up{{{JOB},instance="b:8001"}}': "1x20"}, "10m",
        "No gateway answers Prometheus",
    ),
    "GatewayNotScraped": Case(
        {one("up"): "1 0x20"}, {one("up"): "1 1 1 0 0 0 1x20"}, "10m", "a:8001 does not answer Prometheus", AT_A
    ),
    "GatewayModelUnserved": Case(
        {one("gateway_model_served", 'model="fast"'): "1x5 0 0 0 1 0 0 0 1 0x10"},
        {
            one("gateway_model_served", 'model="fast"'): "0x20",
            f'gateway_model_served{{{JOB},instance="b:8001",model="fast"}}': "1x20",
        },
        "14m", "Nobody serves the model fast", OF_JOB | {"model": "fast"},
    ),
    "GatewayErrorsBurnFast": Case(
        requests("0+600x90", "0+60x90"), requests("0+600x90", "0+30x90"), "80m", "9.091% of requests fail", OF_JOB
    ),
    "GatewayErrorsBurnSlow": Case(
        requests("0+600x50", "0+30x50"), requests("0+600x50", "0+3x50"), "450m",
        "4.762% of requests fail, for hours", OF_JOB, minutes=10,
    ),
    "GatewayLedgerAway": Case(
        {one("gateway_ledger_up"): "1 0x10"}, {one("gateway_ledger_up"): "1 0 0 1x10"}, "6m",
        "a:8001 cannot write its ledger", AT_A,
    ),
    "GatewayRedisAway": Case(
        {one("gateway_redis_up"): "1 0x10"}, {one("gateway_redis_up"): "1 0 0 1x10"}, "8m",
        "a:8001 cannot reach Redis", AT_A,
    ),
    "GatewayReloadRefused": Case(
        {one("gateway_config_last_reload_successful"): "1 0x20"},
        {one("gateway_config_last_reload_successful"): "1 0 0 1x20"},
        "10m", "a:8001 refused its files", AT_A,
    ),
    "GatewayBudgetNearlyUsed": Case(
        {one("gateway_budget_alerts_total", 'limit="money",percent="80"'): "_x60 1x30"},
        {
            one("gateway_budget_alerts_total", 'limit="money",percent="80"'): "1x90",
            one("gateway_budget_alerts_total", 'limit="money",percent="50"'): "_x60 1x30",
        },
        "70m", "The budget money came to 80 %", OF_JOB | {"limit": "money", "percent": "80"},
    ),
    "GatewayBudgetUsedUp": Case(
        {one("gateway_budget_alerts_total", 'limit="money",percent="100"'): "1x60 2x30"},
        {
            one("gateway_budget_alerts_total", 'limit="money",percent="100"'): "2x90",
            one("gateway_budget_alerts_total", 'limit="money",percent="90"'): "_x60 1x30",
        },
        "70m", "The budget money is used up", OF_JOB | {"limit": "money"},
    ),
    "GatewayBreakerOpenLong": Case(
        {one("gateway_breaker_state", 'target="openai/m"'): "0 3 3 2 3 3 3 2 3 3 3 3 3 3 3"},
        {one("gateway_breaker_state", 'target="openai/m"'): "0 3 3 2 1 0 0 0 3 3 3 3 3 3 3"},
        "12m", "openai/m has been out for ten minutes", OF_JOB | {"target": "openai/m"},
    ),
    "GatewayCredentialsRefused": Case(
        {one("gateway_attempts_total", 'target="openai/m",outcome="upstream_refused_credentials"'): "_x20 1x20"},
        {
            one("gateway_attempts_total", 'target="openai/m",outcome="upstream_refused_credentials"'): "1x40",
            one("gateway_attempts_total", 'target="openai/m",outcome="upstream_error"'): "0+5x40",
        },
        "25m", "openai/m refuses our credentials", OF_JOB | {"target": "openai/m"},
    ),
    "GatewayUnpriced": Case(
        {one("gateway_unpriced_requests_total", 'target="openai/new"'): "1x60 2x30"},
        {one("gateway_unpriced_requests_total", 'target="openai/new"'): "2x90"},
        "70m", "Nobody knows what openai/new costs", OF_JOB | {"target": "openai/new"},
    ),
    "GatewayCostsMore": Case(
        {one("gateway_cost_usd_total", 'target="openai/m"'): "0+0.1x144 15+10x12"},
        {one("gateway_cost_usd_total", 'target="openai/m"'): "0+5x160"},
        "1530m", "The last hour cost 60 dollars", OF_JOB, minutes=10,
    ),
    "GatewayQueueRefuses": Case(
        {one("gateway_queue_refused_total", 'limit="server",reason="full"'): "0+60x30"},
        {one("gateway_queue_refused_total", 'limit="server",reason="full"'): "0+3x30"},
        "15m", "server refuses calls for want of room", OF_JOB | {"limit": "server"},
    ),
    "GatewaySlowItself": Case(
        overheads("0+110x60"), overheads("0+100x60"), "40m", "The gateway itself takes 94.5ms of a call", OF_JOB
    ),
    "GatewayStartsAgain": Case(
        {one("process_start_time_seconds"): "100x2 200x2 300x2 400x20"},
        {one("process_start_time_seconds"): "100x2 200x30"},
        "12m", "a:8001 started three times in a quarter of an hour", AT_A,
    ),
    "GatewayWorkersDie": Case(
        {one("gateway_worker_restarts_total"): "0 1 2 3 4x20"}, {one("gateway_worker_restarts_total"): "3 4x20"},
        "10m", "Workers of a:8001 die", AT_A,
    ),
    "GatewayFilesNearlyUsedUp": Case(
        {one("process_open_fds"): "900x20", one("process_max_fds"): "1000x20"},
        {one("process_open_fds"): "700x20", one("process_max_fds"): "1000x20"},
        "10m", "a:8001 has 90% of its open files", AT_A,
    ),
}  # fmt: skip
