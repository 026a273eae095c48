# `make` alone lists the targets.
PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,$(shell command -v $(python) >/dev/null && \
	$(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))
VENV ?= .venv
# One more than the processors, because some tests wait. With twice as many, all of them took a quarter longer.
PROCESSES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
BIN := $(VENV)/bin
# The lock names all packages. pip before 23.3 confuses `coverage[toml]` with another package than the pinned one and
# looks for its newest release, so pip must not look for anything.
PIP_INSTALL = bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r
NODE_PEER = $(if $(shell command -v npm),$(VENV)-bench/fastify/.installed)
# What the description of the API has: every route.
DESCRIBED = LOCAL_AUTH=on SMTP_URL=smtp://localhost MAIL_FROM=tasks@example.com
# Otherwise each process of the tests would rewrite all of them, which takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' --quiet

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: $(VENV)/.runtime ## Install, migrate and serve on http://127.0.0.1:8000.
	@$(BIN)/flask db upgrade
	@exec $(BIN)/gunicorn wsgi:app

test: test-service test-reliability ## Run all tests, on SQLite and PostgreSQL.

test-service: $(VENV)/.development ## Run all tests except those that take servers down.
	@# A file at a time, so that what its tests share is made once; in this order, because the first ones take longest.
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(COVERAGE) --ignore tests/reliability

# Measuring coverage makes the tests take a third longer, so only this target and CI do it.
coverage: COVERAGE = --cov --cov-report term
coverage: test-service ## Run the tests of test-service, and print the lines that they reach.

test-reliability: $(VENV)/.development ## Stop, freeze and restart real servers under load, and compare the data.
	@# They mostly wait: two files at a time take half as long.
	@$(BIN)/pytest --numprocesses 2 --dist loadfile tests/reliability

test-pgbouncer: $(VENV)/.development ## Run the API's tests with PgBouncer (transaction mode) in front of PostgreSQL.
	@# Except an outage after which everything must work at once: PgBouncer waits a second before it retries.
	@TEST_PGBOUNCER=1 $(BIN)/pytest --numprocesses $(PROCESSES) $(or $(TESTS),tests/api tests/auth) \
		--deselect tests/auth/test_revocation_copy.py::test_without_a_database_and_with_an_old_copy_the_response_is_503

test-citus: $(VENV)/.development ## Run the tests of what requests and commands do on a Citus cluster; PostgreSQL needs the extension.
	@TEST_CITUS=1 $(BIN)/pytest --numprocesses $(PROCESSES) \
		$(or $(TESTS),tests/api tests/auth tests/commands tests/mcp tests/webhooks tests/work/test_reminders.py)

check: $(VENV)/.development ## Check format, lint, types, the API's description, and the service against it.
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(DESCRIBED) $(BIN)/flask openapi write - | diff -u docs/openapi.json - || { echo "docs/openapi.json is out of date: run 'make docs'"; exit 1; }
	@tests/contract/spectral/lint docs/openapi.json
	@tests/contract/typescript/check docs/openapi.json
	@$(MAKE) --no-print-directory conformance

conformance: $(VENV)/.development ## Send random requests for two minutes; judge the answers by docs/openapi.json.
	@$(BIN)/python -m tests.contract.conformance

format: $(VENV)/.development ## Format the code and fix what the linter can.
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

docs: $(VENV)/.development ## Generate docs/openapi.json and docs/errors.md again.
	@$(DESCRIBED) $(BIN)/flask openapi write docs/openapi.json
	@$(BIN)/flask errors write docs/errors.md

bench: $(VENV)/.runtime $(VENV)-bench/.installed $(NODE_PEER) ## Measure the service and its peers (some 25 minutes), into docs/performance.md.
	@$(VENV)-bench/bin/python -m benchmarks --venv $(VENV) --write

lock: $(VENV)/.development ## Pin the newest versions into the requirements files.
	@$(LOCK) --upgrade requirements.in -o requirements.txt
	@$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt
	@$(LOCK) --upgrade benchmarks/requirements.in -o benchmarks/requirements.txt
	@for folder in clients verifiers agents/mcp1 agents/mcp2; do \
		$(LOCK) --upgrade tests/process/$$folder/requirements.in -o tests/process/$$folder/requirements.txt || exit; done

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make virtual environments (Debian: apt-get install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/.runtime: requirements.txt $(VENV)/.created
	@echo "Installing into $(VENV) ..."
	@$(VENV)/$(PIP_INSTALL) requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV) ..."
	@$(VENV)/$(PIP_INSTALL) requirements-dev.txt
	@touch $@

$(VENV)-bench/.installed: benchmarks/requirements.txt $(VENV)/.created
	@echo "Installing the benchmark's peers into $(VENV)-bench ..."
	@test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	@$(VENV)-bench/$(PIP_INSTALL) benchmarks/requirements.txt
	@touch $@

$(VENV)-bench/fastify/.installed: benchmarks/peers/fastify/package-lock.json $(VENV)-bench/.installed
	@echo "Installing the benchmark's peer in Node into $(@D) ..."
	@mkdir -p $(@D)
	@cp benchmarks/peers/fastify/package.json benchmarks/peers/fastify/package-lock.json $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
	@touch $@

.PHONY: help run test test-service coverage test-reliability test-pgbouncer check conformance format docs bench lock
