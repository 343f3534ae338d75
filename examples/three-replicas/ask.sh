#!/usr/bin/env bash
# Thirty requests, to each of three gateways in turn, and how many of them each served: `GATEWAY_KEY=... ./ask.sh`
set -euo pipefail
read -ra ports <<<"${PORTS:-8001 8002 8003}"

ask() { # port -> the status of the answer
    curl --silent --output /dev/null --write-out "port $1: %{http_code}\n" \
        --header "Authorization: Bearer $GATEWAY_KEY" \
        --json '{"messages": [{"role": "user", "content": "Hello!"}]}' "http://127.0.0.1:$1/v1/chat/completions"
}
for _ in {1..10}; do
    for port in "${ports[@]}"; do ask "$port"; done
done | sort | uniq -c
