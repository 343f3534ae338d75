#!/usr/bin/env bash
# Three gateways that are one, until Ctrl-C: `./replicas.sh`. PORTS names their ports, REDIS_URL a Redis that is there
# already; without it one is started that keeps nothing.
set -euo pipefail
cd "$(dirname "$0")"
read -ra ports <<<"${PORTS:-8001 8002 8003}"
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'exit 0' INT TERM

if [ -z "${REDIS_URL:-}" ]; then
    redis-server --port 6390 --bind 127.0.0.1 --save "" --loglevel warning &
    export REDIS_URL=redis://127.0.0.1:6390/0
fi
for port in "${ports[@]}"; do
    GATEWAY_LISTEN=127.0.0.1:$port gateway run . &
done
for port in "${ports[@]}"; do
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/health/ready"; do sleep 0.2; done
done
echo "ready: ${ports[*]}"
wait
