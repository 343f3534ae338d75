"""The files that the project comes with take the variables that people know."""

from __future__ import annotations

from gateway.config.load import load
from tests.harness import ROOT


def test_the_usual_names_are_honoured() -> None:
    environ = {
        "OPENAI_API_KEY": "sk-0123456789abcdef0123456789",
        "OPENAI_BASE_URL": "https://eu.api.openai.com/v1",
        "ALLOWED_ORIGINS": "https://a.example,https://b.example",
        "API_KEYS": "team:0123456789abcdef-team,0123456789abcdef-other",
        "RATE_LIMIT_PER_MINUTE": "7",
        "RATE_LIMIT_PER_HOUR": "70",
        "CACHE_TTL_SECONDS": "9",
        "METRICS_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
        "GATEWAY_LISTEN": "0.0.0.0:9000",
    }
    config = load(ROOT, environ)

    assert config.providers["openai"].off_reason is None
    assert config.providers["openai"].base_url == "https://eu.api.openai.com/v1"
    assert config.server.cors.origins == ("https://a.example", "https://b.example")
    assert {key.name for key in config.keys.static} >= {"team"}
    assert len(config.keys.static) == 2
    assert config.keys.anonymous == "never"  # whoever gives out keys means them for everybody
    assert (config.server.metrics, config.server.log_level) == (False, "warning")
    assert (config.server.host, config.server.port) == ("0.0.0.0", 9000)
    chat = next(route for route in config.routes if route.path == "/v1/chat/completions")
    assert chat.quota is not None
    assert [str(rate) for _, rate in chat.quota.rates] == ["7 per minute", "70 per hour"]
    assert chat.cache is not None
    assert chat.cache.ttl_s == 9
