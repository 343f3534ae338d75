# What one does here. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check format bench lock reference clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## set up, then serve on 127.0.0.1:8001 with the two YAML files beside this one (ARGS="--help" for more)
	@scripts/bootstrap full && exec .venv/bin/gateway run $(ARGS)

test: ## set up everything, then lint, types and all tests (ARGS="-k cache" for some)
	@scripts/test $(ARGS)

check: ## lint, types and the configuration, without the tests
	@scripts/bootstrap test && scripts/check

format: ## let ruff lay the code out
	@scripts/bootstrap test && .venv/bin/ruff check --fix --quiet . && .venv/bin/ruff format --quiet .

bench: ## measure start, memory, checking, translating and voice, each beside its promise
	@scripts/bootstrap test && for part in start translate voice; do PYTHONPATH=. .venv/bin/python benchmarks/$$part.py || exit 1; done

lock: ## write requirements/*.txt from pyproject.toml (UPGRADE=1 for the newest versions)
	@scripts/bootstrap lock && scripts/lock

reference: ## write docs/configuration-reference.md from schemas/
	@python3 scripts/reference.py > docs/configuration-reference.md

clean: ## remove the environment and everything that was generated
	rm -rf .venv .venv.lock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
