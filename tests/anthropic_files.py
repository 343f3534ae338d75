"""The two YAML files with which Anthropic's own client is tried: three vendors behind one gateway."""

from __future__ import annotations

PROVIDERS = """
version: 1
providers:
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    models:
      claude-sonnet-5-5: {{operation: chat, max_output_tokens: 128000, price: {{input_usd_per_mtok: 2, output_usd_per_mtok: 10}}}}
      claude-haiku-4-5: {{operation: chat, max_output_tokens: 64000, options: {{reasoning: budget, prefill: true, system_turns: false}}}}
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-5.4-mini: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
  sandbox:
    plugin: sandbox
    models:
      chat: {{operation: chat}}
"""  # noqa: E501
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  claude: {operation: chat, targets: [anthropic/claude-sonnet-5-5]}
  haiku: {operation: chat, targets: [anthropic/claude-haiku-4-5]}
  gpt: {operation: chat, targets: [openai/gpt-5.4-mini]}
  dry: {operation: chat, targets: [sandbox/chat]}
  both: {operation: chat, targets: [anthropic/claude-sonnet-5-5, openai/gpt-5.4-mini]}
routes:
  - {path: /anthropic/v1/messages, dialect: anthropic.messages}
  - {path: /anthropic/v1/messages/count_tokens, dialect: anthropic.count_tokens}
  - {path: /anthropic/v1/models, dialect: anthropic.models}
  - {path: "/anthropic/v1/models/{model}", dialect: anthropic.models}
  - {path: /v1/messages, dialect: anthropic.messages, verbatim: false}
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
