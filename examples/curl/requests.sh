#!/usr/bin/env bash
# Every kind of work by curl alone. GATEWAY_URL and GATEWAY_KEY say where the gateway is and who asks.
set -euo pipefail
gateway=${GATEWAY_URL:-http://127.0.0.1:8001}
ask() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer ${GATEWAY_KEY:-none}" "$@"; }

echo "# a chat"
ask "$gateway/v1/chat/completions" --json '{"model": "fast", "messages": [{"role": "user", "content": "Hello!"}]}'

printf '\n\n# the same as a stream: events as they are made, the last with what it cost\n'
ask --no-buffer "$gateway/v1/chat/completions" --json '{
  "model": "fast", "stream": true, "stream_options": {"include_usage": true},
  "messages": [{"role": "user", "content": "Hello!"}]}'

echo "# text to speech, and what the answer says of itself"
ask "$gateway/v1/audio/speech" --output speech.mp3 --dump-header speech.head --json '{
  "model": "speak", "voice": "nova", "input": "The quick brown fox jumps over the lazy dog."}'
grep -i '^x-gateway-' speech.head

printf '\n# speech to text\n'
ask "$gateway/v1/audio/transcriptions" --form model=transcribe --form file=@speech.mp3

printf '\n\n# texts as vectors\n'
ask "$gateway/v1/embeddings" --json '{"model": "embed", "input": ["a cat", "a dog"], "dimensions": 4}'

printf '\n\n# who serves what\n'
ask "$gateway/v1/models"
