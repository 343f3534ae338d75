"""Whom to wake, and for what: each alert with its query, how long it has to hold, and what to say.

A counter's series begins with its first event, of which `increase` sees nothing: `_new` looks for the series as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

JOB = 'job="ai-service-gateway"'
RUNBOOK = "docs/deploy.md"  # an anchor of it is the alert's name

SLO_FAILED = 0.005  # of all requests that may fail by the gateway's or a vendor's fault: 99.5 % are served
FAST_BURN, SLOW_BURN = 14.4, 6  # spends a month's errors in two days, in five


@dataclass(frozen=True, slots=True)
class Alert:
    name: str
    severity: Literal["page", "ticket"]  # somebody gets up; somebody looks in the morning
    expr: str
    hold: str  # for how long it has to be so
    summary: str
    description: str
    families: tuple[str, ...] = ()


def _new(selector: str, window: str) -> str:
    """Series that grew within the window, or that began in it."""
    return f"(increase({selector}[{window}]) > 0 or ({selector} unless {selector} offset {window}))"


def _burn(window: str) -> str:
    failed = f'sum by (job) (rate(gateway_requests_total{{{JOB},status=~"5.."}}[{window}]))'
    return f"{failed} / sum by (job) (rate(gateway_requests_total{{{JOB}}}[{window}]))"


def _burns(long: str, short: str, factor: float) -> str:
    most = f"{factor * SLO_FAILED:g}"
    return f"{_burn(long)} > {most} and {_burn(short)} > {most}"


ALERTS = (
    Alert(
        "GatewayGone", "page", f"absent(up{{{JOB}}} == 1)", "2m",
        "No gateway answers Prometheus",
        "For two minutes no process of the gateway could be scraped: all are gone, or none can be reached.",
    ),
    Alert(
        "GatewayNotScraped", "ticket", f"up{{{JOB}}} == 0", "5m",
        "{{ $labels.instance }} does not answer Prometheus",
        "This process could not be scraped for five minutes. Others may serve.",
    ),
    Alert(
        "GatewayModelUnserved", "page",
        f"max by (job, model) (avg_over_time(gateway_model_served{{{JOB}}}[3m])) < 0.5", "2m",
        "Nobody serves the model {{ $labels.model }}",
        "In every process all targets of this model are ejected, drained or disabled for most of the last minutes.",
        ("gateway_model_served",),
    ),
    Alert(
        "GatewayErrorsBurnFast", "page", _burns("1h", "5m", FAST_BURN), "2m",
        "{{ $value | humanizePercentage }} of requests fail",
        "Of the last hour's and the last five minutes' requests so many ended with 5xx"
        f" that a month's {SLO_FAILED:.1%} are gone in two days.",
        ("gateway_requests",),
    ),
    Alert(
        "GatewayErrorsBurnSlow", "ticket", _burns("6h", "30m", SLOW_BURN), "15m",
        "{{ $value | humanizePercentage }} of requests fail, for hours",
        "Of the last six hours' requests so many ended with 5xx"
        f" that a month's {SLO_FAILED:.1%} are gone in five days.",
        ("gateway_requests",),
    ),
    Alert(
        "GatewayLedgerAway", "page", f"gateway_ledger_up{{{JOB}}} == 0", "2m",
        "{{ $labels.instance }} cannot write its ledger",
        "Rows wait in memory, and are lost if the process dies. When there is no room for more, requests are refused.",
        ("gateway_ledger_up",),
    ),
    Alert(
        "GatewayRedisAway", "ticket", f"gateway_redis_up{{{JOB}}} == 0", "5m",
        "{{ $labels.instance }} cannot reach Redis",
        "Limits hold as their while_away says: by default each process admits its share.",
        ("gateway_redis_up",),
    ),
    Alert(
        "GatewayReloadRefused", "ticket", f"gateway_config_last_reload_successful{{{JOB}}} == 0", "5m",
        "{{ $labels.instance }} refused its files",
        "The former configuration serves. The next start would be refused too.",
        ("gateway_config_last_reload_successful",),
    ),
    Alert(
        "GatewayBudgetNearlyUsed", "ticket",
        "max by (job, limit, percent) " + _new(f'gateway_budget_alerts_total{{{JOB},percent=~"[89]."}}', "1h"), "0m",
        "The budget {{ $labels.limit }} came to {{ $labels.percent }} %",
        "Somebody whom this limit counts has used so much of a period's money within the last hour.",
        ("gateway_budget_alerts",),
    ),
    Alert(
        "GatewayBudgetUsedUp", "page",
        "max by (job, limit) " + _new(f'gateway_budget_alerts_total{{{JOB},percent="100"}}', "1h"), "0m",
        "The budget {{ $labels.limit }} is used up",
        "Calls that it counts are refused with 402, or degraded where at_budget says so, until the period ends.",
        ("gateway_budget_alerts",),
    ),
    Alert(
        "GatewayBreakerOpenLong", "ticket", f"max by (job, target) (gateway_breaker_state{{{JOB}}}) >= 2", "10m",
        "{{ $labels.target }} has been out for ten minutes",
        "Its calls go to the next target. Where there is none, GatewayModelUnserved wakes somebody.",
        ("gateway_breaker_state",),
    ),
    Alert(
        "GatewayCredentialsRefused", "page",
        "max by (job, target) "
        + _new(f'gateway_attempts_total{{{JOB},outcome="upstream_refused_credentials"}}', "10m"), "0m",
        "{{ $labels.target }} refuses our credentials",
        "The vendor's key was revoked, has ended, or its account has no money left.",
        ("gateway_attempts",),
    ),
    Alert(
        "GatewayUnpriced", "ticket",
        "max by (job, target) " + _new(f"gateway_unpriced_requests_total{{{JOB}}}", "1h"), "0m",
        "Nobody knows what {{ $labels.target }} costs",
        "Its answers are in the ledger without money, so budgets and sums lack them.",
        ("gateway_unpriced_requests",),
    ),
    Alert(
        "GatewayCostsMore", "ticket",
        f"sum by (job) (increase(gateway_cost_usd_total{{{JOB}}}[1h])) > 5"
        f" and sum by (job) (increase(gateway_cost_usd_total{{{JOB}}}[1h]))"
        f" > 4 * sum by (job) (increase(gateway_cost_usd_total{{{JOB}}}[1h] offset 1d))", "15m",
        "The last hour cost {{ $value | humanize }} dollars",
        "That is more than four times what the same hour cost yesterday.",
        ("gateway_cost_usd",),
    ),
    Alert(
        "GatewayQueueRefuses", "ticket",
        f"sum by (job, limit) (rate(gateway_queue_refused_total{{{JOB}}}[5m])) > 0.1", "5m",
        "{{ $labels.limit }} refuses calls for want of room",
        "Calls are answered with 503 because a limit on calls at once and its queue are full.",
        ("gateway_queue_refused",),
    ),
    Alert(
        "GatewaySlowItself", "ticket",
        f"histogram_quantile(0.99, sum by (job, le) (rate(gateway_overhead_seconds_bucket{{{JOB}}}[10m]))) > 0.05",
        "15m",
        "The gateway itself takes {{ $value | humanizeDuration }} of a call",
        "A hundredth of calls waits more than 50 ms for the gateway: it has more to do than a process can.",
        ("gateway_overhead_seconds",),
    ),
    Alert(
        "GatewayStartsAgain", "page", f"changes(process_start_time_seconds{{{JOB}}}[15m]) > 2", "0m",
        "{{ $labels.instance }} started three times in a quarter of an hour",
        "It dies, or something ends it: too little memory, a probe that fails, an address that is taken.",
        ("process_start_time_seconds",),
    ),
    Alert(
        "GatewayWorkersDie", "ticket", f"increase(gateway_worker_restarts_total{{{JOB}}}[15m]) > 2", "0m",
        "Workers of {{ $labels.instance }} die",
        "Each is replaced at once, and what it was answering is cut.",
        ("gateway_worker_restarts",),
    ),
    Alert(
        "GatewayFilesNearlyUsedUp", "ticket", f"process_open_fds{{{JOB}}} / process_max_fds{{{JOB}}} > 0.8", "5m",
        "{{ $labels.instance }} has {{ $value | humanizePercentage }} of its open files",
        "Beyond the limit new connections fail. Raise LimitNOFILE or ulimits.nofile.",
        ("process_open_fds", "process_max_fds"),
    ),
)  # fmt: skip


def groups() -> dict[str, Any]:
    """Return what a file of rules has, and the `spec` of a PrometheusRule."""
    return {"groups": [{"name": "ai-service-gateway", "rules": [_rule(each) for each in ALERTS]}]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
        },
    }
