# `make help` lists the verbs. Nothing but Python 3.11-3.13, git and make is needed.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
V := .venv/bin
N ?= 2
ARGS ?=
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo demo-full run test test-fast soak lint bench docs messages lock \
	bench-methods clean venv venv-demo venv-dev venv-full venv-bench browser

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: venv-demo  ## the whole circle on real data, embedded; then serves it on port 8000
	@$(V)/python manage.py demo $(ARGS)

demo-full: venv-full  ## the same on a packaged PostgreSQL and Redis, a worker per queue
	@$(V)/python -m tests.servers --production -- python manage.py demo $(ARGS)

run: venv  ## serve what is there: web, worker and beat
	@$(V)/python manage.py serve $(ARGS)

test: venv-dev browser  ## every test, on SQLite and on a PostgreSQL and Redis it starts
	@$(V)/python -m tests.servers -- \
		pytest -n $(N) -m "not soak" $(ARGS) $(TESTS)

test-fast: venv-dev  ## the everyday tests, on both databases, in under two minutes
	@$(V)/python -m tests.servers -- \
		pytest -n $(N) -m "not slow and not soak and not browser" $(ARGS) $(TESTS)

soak: venv-dev  ## long kill and simulation runs, by hand
	@$(V)/python -m tests.servers -- pytest -n $(N) -m soak $(ARGS) $(TESTS)

lint: venv-dev  ## style, types, spelling, migrations, translations
	@echo "ruff, mypy, codespell, migrations, translations ..."
	@bad=0; export STRATA_HOME=.mypy_cache/home; \
	$(V)/ruff check --quiet --output-format concise . || bad=1; \
	$(V)/ruff format --quiet --check . || { echo "run .venv/bin/ruff format"; bad=1; }; \
	$(V)/mypy --no-error-summary || bad=1; \
	$(V)/codespell $$(git ls-files | grep -vE '\.(po|mo|txt|svg|png|min\.js)$$') || bad=1; \
	$(V)/python manage.py makemigrations --check --dry-run || bad=1; \
	$(V)/python .ci/messages.py check || bad=1; \
	[ $$bad = 0 ] && echo "lint is clean"

bench: venv-bench  ## every benchmark, or those of BENCH=name; one JSON object each
	@for file in benchmarks/$(or $(BENCH),*).py; do \
		$(V)/python -m tests.servers -- python "$$file" $(ARGS) || exit 1; done

bench-methods: venv-bench  ## every recommender beside its peers on real data, as tables: hours
	@$(V)/python -m benchmarks.protocols

docs: venv-dev  ## read the guides in a browser: docs/ as pages under var/docs
	@$(V)/python .ci/docs.py

messages: venv-dev  ## collect visible strings into the .po files and compile them
	@$(V)/python .ci/messages.py update

lock: venv-dev  ## pin every version anew (needs uv)
	@$(V)/python .ci/lock.py $(ARGS)

clean:  ## remove what was built; data under var/ stays
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache *.egg-info

venv:
	@python=$${PYTHON:-$$(.ci/python)} && "$$python" .ci/environment.py requirements.txt

venv-demo:
	@python=$${PYTHON:-$$(.ci/python)} && \
		"$$python" .ci/environment.py requirements.txt --extra demo

venv-dev:
	@python=$${PYTHON:-$$(.ci/python)} && \
		"$$python" .ci/environment.py requirements.txt requirements-dev.txt

venv-full:
	@python=$${PYTHON:-$$(.ci/python)} && \
		"$$python" .ci/environment.py requirements.txt requirements-dev.txt --extra demo

venv-bench:
	@python=$${PYTHON:-$$(.ci/python)} && "$$python" .ci/environment.py \
		requirements.txt requirements-dev.txt --extra demo --extra bench

browser:
	@$(V)/python -m tests.browser
