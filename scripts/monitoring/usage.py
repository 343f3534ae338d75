"""The dashboards of what is used: voice, money, limits, and the process itself."""

from __future__ import annotations

from scripts.monitoring.panel import BAD_GOOD, Dashboard, Panel
from scripts.monitoring.queries import increase, mean, now, plain, quantile, rate, share

REQUESTS, UPSTREAM = "gateway_requests", "gateway_upstream_duration_seconds"
RTF, FIRST_AUDIO = "gateway_realtime_factor", "gateway_first_audio_seconds"

VOICE = Dashboard(
    "voice",
    "AI gateway: voice",
    [
        (
            "Speech",
            [
                Panel(
                    "To the first audio, p50 and p95",
                    [quantile(0.5, FIRST_AUDIO, "target"), quantile(0.95, FIRST_AUDIO, "target")],
                    "s",
                ),
                Panel("Real-time factor, p95", [quantile(0.95, RTF, "target", 'operation="speech"')]),
                Panel("Characters a second", [rate("gateway_characters", "target")]),
            ],
        ),
        (
            "Transcription",
            [
                Panel("Real-time factor, p95", [quantile(0.95, RTF, "target", 'operation="transcription"')]),
                Panel("Attempts, p95", [quantile(0.95, UPSTREAM, "target", 'operation="transcription"')], "s"),
                Panel("Mean real-time factor of both", [mean(RTF, "operation target")]),
            ],
        ),
        (
            "Audio",
            [
                Panel("Seconds of audio a second", [rate("gateway_audio_seconds", "target direction")], "short"),
                Panel("Audio in the time shown", [increase("gateway_audio_seconds", "direction")], "s", "number"),
            ],
        ),
        (
            "Live sessions",
            [
                Panel("Open", [now("gateway_live_sessions", "route")]),
                Panel("Messages a second", [rate("gateway_live_messages", "route direction")]),
            ],
        ),
    ],
)

USAGE = Dashboard(
    "usage",
    "AI gateway: money and usage",
    [
        (
            "Money",
            [
                Panel("Spent in the time shown", [increase("gateway_cost_usd", "target")], "currencyUSD", "table"),
                Panel(
                    "Dollars an hour",
                    [
                        plain(
                            "sum by (target) (rate(gateway_cost_usd_total{WHERE}[$__rate_interval])) * 3600",
                            "gateway_cost_usd",
                            text="{{target}}",
                        )
                    ],
                    "currencyUSD",
                    "stacked",
                ),
                Panel("Answers without a price", [increase("gateway_unpriced_requests", "target")], "short", "table"),
                Panel("Spent by shadows", [increase("gateway_shadow_cost_usd", "target")], "currencyUSD"),
                Panel("Thresholds of budgets", [increase("gateway_budget_alerts", "limit percent")], "short", "table"),
            ],
        ),
        (
            "Tokens",
            [
                Panel("A second, by direction", [rate("gateway_tokens", "direction")], "short", "stacked"),
                Panel("A second, by target", [rate("gateway_tokens", "target direction")]),
                Panel("Parts of them", [rate("gateway_token_parts", "part")]),
            ],
        ),
        (
            "Cache",
            [
                Panel("Look-ups", [rate("gateway_cache", "result")], "reqps", "stacked"),
                Panel(
                    "Answered without a vendor",
                    [
                        share(
                            rate("gateway_cache", where='result=~"hit|similar|stale|coalesced"'),
                            rate("gateway_cache"),
                            "from the cache",
                        ),
                    ],
                    "percentunit",
                ),
            ],
        ),
    ],
)

LIMITS = Dashboard(
    "limits",
    "AI gateway: limits",
    [
        (
            "Limits",
            [
                Panel("Calls that a limit refused", [rate("gateway_limit_refusals", "limit unit")], "reqps"),
                Panel("429 and 402 by route", [rate(REQUESTS, "route status", 'status=~"429|402"')], "reqps"),
            ],
        ),
        (
            "Calls at once",
            [
                Panel("Running", [now("gateway_concurrent_calls", "limit")]),
                Panel("May run", [now("gateway_concurrent_limit", "limit")]),
                Panel("Waiting", [now("gateway_queue_waiting", "limit")]),
                Panel("Refused a place", [rate("gateway_queue_refused", "limit reason")], "reqps"),
            ],
        ),
    ],
)

PROCESS = Dashboard(
    "process",
    "AI gateway: processes and configuration",
    [
        (
            "Configuration",
            [
                Panel(
                    "Version",
                    [
                        plain(
                            "count by (version, python) (gateway_build_info{WHERE})",
                            "gateway_build",
                            text="{{version}} on {{python}}",
                        )
                    ],
                    form="table",
                ),
                Panel("Configuration in force", [now("gateway_config_generation", "instance", "max")]),
                Panel("Reloads", [increase("gateway_config_reloads", "result")]),
                Panel(
                    "Files in force",
                    [now("gateway_config_last_reload_successful", "instance", "min")],
                    form="states",
                    steps=BAD_GOOD,
                ),
                Panel("A reload takes, p95", [quantile(0.95, "gateway_config_reload_duration_seconds")], "s"),
            ],
        ),
        (
            "Stores",
            [
                Panel("Ledger here", [now("gateway_ledger_up", "instance", "min")], form="states", steps=BAD_GOOD),
                Panel("Redis here", [now("gateway_redis_up", "instance", "min")], form="states", steps=BAD_GOOD),
                Panel("Rows that wait for the ledger", [now("gateway_ledger_waiting_rows", "instance")]),
            ],
        ),
        (
            "Process",
            [
                Panel("Processors in use", [rate("process_cpu_seconds", "instance")]),
                Panel("Resident memory", [now("process_resident_memory_bytes", "instance")], "bytes"),
                Panel(
                    "Open files",
                    [
                        now("process_open_fds", "instance"),
                        now("process_max_fds", "instance", text="{{instance}} may have"),
                    ],
                ),
                Panel(
                    "Runs for",
                    [
                        plain(
                            "time() - min by (instance) (process_start_time_seconds{WHERE})",
                            "process_start_time_seconds",
                            text="{{instance}}",
                        )
                    ],
                    "s",
                    "number",
                ),
                Panel("Workers", [now("gateway_workers", "instance")]),
                Panel("Workers that died", [increase("gateway_worker_restarts", "instance")]),
            ],
        ),
    ],
)
