"""What clients' own libraries read from the environment, so that they call this gateway without a line of code."""

from __future__ import annotations

KEY = "not-needed"  # the libraries want one, also where none is asked for


def client_environment(base_url: str, *, needs_key: bool) -> dict[str, str]:
    """Return the variables for a program that is to call the gateway at `base_url`; keys only where none is needed.

    The names are those of the vendors' Python and JavaScript libraries as of 2026-11.
    """
    found = {
        "GATEWAY_URL": base_url,
        "OPENAI_BASE_URL": f"{base_url}/v1",
        "ANTHROPIC_BASE_URL": f"{base_url}/anthropic",
        "GOOGLE_GEMINI_BASE_URL": f"{base_url}/gemini",
    }
    if not needs_key:
        found |= {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": KEY}
    return found
