"""The dashboards of traffic: at a glance, how long it takes, and who serves it."""

from __future__ import annotations

from scripts.monitoring.panel import BAD_GOOD, GOOD_BAD, Dashboard, Panel
from scripts.monitoring.queries import increase, now, plain, quantile, rate, share

SHARE = (("green", None), ("orange", 0.01), ("red", 0.05))
FAILED = 'status=~"5.."'
REQUESTS, DURATION, FIRST = "gateway_requests", "gateway_request_duration_seconds", "gateway_first_content_seconds"
OVERHEAD, UPSTREAM = "gateway_overhead_seconds", "gateway_upstream_duration_seconds"
BREAKER = "gateway_breaker_state"
GEN_AI = "gen_ai_client_operation"

OVERVIEW = Dashboard(
    "overview",
    "AI gateway: overview",
    [
        (
            "Now",
            [
                Panel("Requests a second", [rate(REQUESTS, text="requests")], "reqps", "number"),
                Panel(
                    "Failed",
                    [share(rate(REQUESTS, where=FAILED), rate(REQUESTS), "failed")],
                    "percentunit",
                    "number",
                    SHARE,
                ),
                Panel("First content, p95", [quantile(0.95, FIRST)], "s", "number"),
                Panel("Under way", [now("gateway_requests_in_flight", text="under way")], form="number"),
                Panel("Spent", [increase("gateway_cost_usd", text="spent")], "currencyUSD", "number"),
                Panel(
                    "Models that nobody serves",
                    [
                        plain(
                            "count(max by (model) (gateway_model_served{WHERE}) == 0) or vector(0)",
                            "gateway_model_served",
                            text="unserved",
                        ),
                    ],
                    form="number",
                    steps=GOOD_BAD,
                ),
                Panel(
                    "Targets ejected",
                    [
                        plain(
                            "count(max by (target) (gateway_breaker_state{WHERE}) >= 2) or vector(0)",
                            BREAKER,
                            text="ejected",
                        )
                    ],
                    form="number",
                    steps=(("green", None), ("orange", 1.0)),
                ),
                Panel(
                    "Files in force",
                    [now("gateway_config_last_reload_successful", how="min", text="1: as they are, 0: refused")],
                    form="number",
                    steps=BAD_GOOD,
                ),
                Panel(
                    "Ledger",
                    [now("gateway_ledger_up", how="min", text="1: here, 0: away")],
                    form="number",
                    steps=BAD_GOOD,
                ),
                Panel(
                    "Redis",
                    [now("gateway_redis_up", how="min", text="1: here, 0: away")],
                    form="number",
                    steps=BAD_GOOD,
                ),
            ],
        ),
        (
            "Traffic",
            [
                Panel("Requests by status", [rate(REQUESTS, "status")], "reqps", "stacked"),
                Panel("Requests by route", [rate(REQUESTS, "route")], "reqps"),
                Panel("Under way, by process", [now("gateway_requests_in_flight", "instance")]),
            ],
        ),
        (
            "Errors",
            [
                Panel(
                    "Failed by the gateway or a vendor",
                    [share(rate(REQUESTS, where=FAILED), rate(REQUESTS), "5xx")],
                    "percentunit",
                ),
                Panel("Errors by code", [rate("gateway_errors", "code")], "reqps", "stacked"),
                Panel("Errors by route and code", [rate("gateway_errors", "route code")], "reqps", "table"),
            ],
        ),
        (
            "Latency",
            [
                Panel("First content", [quantile(share_, FIRST) for share_ in (0.5, 0.95, 0.99)], "s"),
                Panel("Whole answer", [quantile(share_, DURATION) for share_ in (0.5, 0.95, 0.99)], "s"),
                Panel("The gateway's own time", [quantile(share_, OVERHEAD) for share_ in (0.5, 0.95, 0.99)], "s"),
            ],
        ),
        (
            "Models",
            [
                Panel("Served", [now("gateway_model_served", "model", "max")], form="states", steps=BAD_GOOD),
                Panel(
                    "Breakers",
                    [now(BREAKER, "target", "max")],
                    form="states",
                    steps=(("green", None), ("yellow", 1.0), ("orange", 2.0), ("red", 3.0)),
                ),
            ],
        ),
    ],
)

LATENCY = Dashboard(
    "latency",
    "AI gateway: latency",
    [
        (
            "By route",
            [
                Panel("First content, p95", [quantile(0.95, FIRST, "route")], "s"),
                Panel("Whole answer, p95", [quantile(0.95, DURATION, "route")], "s"),
                Panel("The gateway's own time, p99", [quantile(0.99, OVERHEAD, "route")], "s"),
            ],
        ),
        (
            "By target",
            [
                Panel("Attempts, p50", [quantile(0.5, UPSTREAM, "target")], "s"),
                Panel("Attempts, p95", [quantile(0.95, UPSTREAM, "target")], "s"),
                Panel("Attempts that failed, p95", [quantile(0.95, UPSTREAM, "target outcome", 'outcome!="ok"')], "s"),
            ],
        ),
        (
            "By OpenTelemetry's conventions",
            [
                Panel(
                    "Operations, p95",
                    [quantile(0.95, f"{GEN_AI}_duration_seconds", "gen_ai_provider_name gen_ai_request_model")],
                    "s",
                ),
                Panel(
                    "First chunk, p95",
                    [
                        quantile(
                            0.95, f"{GEN_AI}_time_to_first_chunk_seconds", "gen_ai_provider_name gen_ai_request_model"
                        ),
                    ],
                    "s",
                ),
                Panel(
                    "Tokens of a call, p95",
                    [quantile(0.95, "gen_ai_client_token_usage", "gen_ai_request_model gen_ai_token_type")],
                ),
            ],
        ),
        (
            "Waiting",
            [
                Panel("In queues, p95 of those that waited", [quantile(0.95, "gateway_queue_seconds", "limit")], "s"),
                Panel("Calls that waited", [rate("gateway_queue_seconds", "limit")], "reqps"),
            ],
        ),
    ],
)

PROVIDERS = Dashboard(
    "providers",
    "AI gateway: providers and failover",
    [
        (
            "Attempts",
            [
                Panel("By target", [rate("gateway_attempts", "target")], "reqps", "stacked"),
                Panel("By outcome", [rate("gateway_attempts", "outcome")], "reqps", "stacked"),
                Panel(
                    "Share that failed",
                    [
                        plain(
                            '(sum by (target) (rate(gateway_attempts_total{WHERE,outcome!="ok"}[$__rate_interval]))'
                            " or 0 * sum by (target) (rate(gateway_attempts_total{WHERE}[$__rate_interval])))"
                            " / (sum by (target) (rate(gateway_attempts_total{WHERE}[$__rate_interval])) > 0)",
                            "gateway_attempts",
                            text="{{target}}",
                        ),
                    ],
                    "percentunit",
                ),
            ],
        ),
        (
            "Failover",
            [
                Panel("Targets that were left, by reason", [rate("gateway_failovers", "target reason")], "reqps"),
                Panel("Further attempts", [rate("gateway_further_attempts", "why")], "reqps", "stacked"),
                Panel("Not tried again", [rate("gateway_unretried_requests", "reason")], "reqps"),
                Panel("Streams held back", [rate("gateway_holds", "result")], "reqps"),
                Panel("Copies to shadows", [rate("gateway_shadow_requests", "target outcome")], "reqps"),
            ],
        ),
        (
            "Breakers",
            [
                Panel(
                    "State",
                    [now(BREAKER, "target", "max")],
                    form="states",
                    steps=(("green", None), ("yellow", 1.0), ("orange", 2.0), ("red", 3.0)),
                ),
                Panel("Transitions", [increase("gateway_breaker_transitions", "target state")]),
                Panel("Probes", [rate("gateway_probes", "provider outcome")], "reqps"),
            ],
        ),
    ],
)
