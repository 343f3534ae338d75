# What one does here. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check format bench bench-peers kills exactly faults chaos storm leaving reloads rolling hours lock reference dashboards sbom clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## set up, then serve on 127.0.0.1:8001 with the two YAML files beside this one (ARGS="--help" for more)
	@scripts/bootstrap full && exec .venv/bin/gateway run $(ARGS)

test: ## set up everything, then lint, types and all tests (ARGS="-k cache" for some)
	@scripts/test $(ARGS)

check: ## lint, types and the configuration, without the tests
	@scripts/bootstrap test && scripts/check

format: ## let ruff lay the code out
	@scripts/bootstrap test && .venv/bin/ruff check --fix --quiet . && .venv/bin/ruff format --quiet .

bench: ## measure what the gateway costs, adds and holds, each beside its goal (ARGS="--quick --write")
	@scripts/bootstrap test && .venv/bin/python -m benchmarks.run short $(ARGS)

bench-peers: ## the same of a whole chat beside nginx, Envoy, TensorZero, Portkey and LiteLLM (ARGS="--quick --write")
	@scripts/bootstrap test && .venv/bin/python -m benchmarks.run peers $(ARGS)

kills: ## kill the gateway under load a thousand times and check its ledger each time (ARGS="--seed 7 --runs 100")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.kills $(ARGS)

exactly: ## ask a thousand times at once where fewer are admitted, a hundred rounds (ARGS="--processes 1 --rounds 10")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.exactly $(ARGS)

faults: ## show every fault of a provider to every kind of work, and print what callers got (ARGS="--outage-s 5")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.faults $(ARGS)

chaos: ## play ten thousand seeds of faults, leaving clients and reloads in virtual time (ARGS="--seed 7 --runs 1")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.virtual $(ARGS)

storm: ## leave at random moments a hundred thousand times, and look at what the others get (ARGS="--requests 5000")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.storm $(ARGS)

leaving: ## hang up in each phase of a request, a thousand times each, and see how long vendors go on (ARGS="--times 20")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.leaving $(ARGS)

reloads: ## reload a hundred times under load with open streams, and look for what failed, was cut or mixed (ARGS="--reloads 20")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.reloads $(ARGS)

rolling: ## restart three gateways behind HAProxy one after the other, fifty times, under load (ARGS="--restarts 6")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.rolling $(ARGS)

hours: ## have two hours of known speech written down by a vendor that takes a minute (ARGS="--seconds 600")
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m tests.proofs.hours $(ARGS)

lock: ## write requirements/*.txt from pyproject.toml (UPGRADE=1 for the newest versions)
	@scripts/bootstrap lock && scripts/lock

reference: ## write docs/configuration-reference.md from schemas/ and docs/command-reference.md from the commands
	@scripts/bootstrap test && python3 scripts/reference.py > docs/configuration-reference.md && .venv/bin/python scripts/commands.py > docs/command-reference.md

dashboards: ## write deploy/'s dashboards and alert rules from the metrics that the gateway defines
	@scripts/bootstrap test && PYTHONPATH=. .venv/bin/python -m scripts.monitoring

sbom: ## print what is installed for serving, as CycloneDX
	@scripts/bootstrap full && .venv/bin/python scripts/sbom.py requirements/full.txt

clean: ## remove the environment and everything that was generated
	rm -rf .venv .venv.lock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
