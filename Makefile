# What people type here. Each target installs what it needs into .venv by itself.

# Another interpreter: make install PYTHON=python3.12
PYTHON ?=
# Passed on to the program of `run`, `test` and `lock`: make test ARGS="-k cron -x"
ARGS ?=
USERS ?= 1000000

BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test faults bench bench-data check check-format check-lint check-types check-imports \
	check-dockerfile check-schedule format lock manifests

help: ## list the targets
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | awk -F ':.* ## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

install: $(STAMP) ## install everything into .venv
	@echo "Installed. Try: make run"

run: $(STAMP) ## the daemon with sample data on an embedded PostgreSQL, on http://localhost:3003
	@$(BIN)/lamplighter serve --demo $(ARGS)

test: $(STAMP) ## the tests, but for tests/faults
	@$(BIN)/python -m pytest -n 4 --ignore=tests/faults $(ARGS)

faults: $(STAMP) ## break it on purpose, about an hour; writes docs/reliability.md
	@rm -f .faults.jsonl
	@status=0; LAMPLIGHTER_FAULTS=full LAMPLIGHTER_FAULTS_RECORD=.faults.jsonl \
		$(BIN)/python -m pytest tests/faults -p no:xdist --timeout 3600 $(ARGS) || status=$$?; \
		$(BIN)/python -m tests.faults.table .faults.jsonl && exit $$status

bench: $(STAMP) ## measure beside floors, a table and bench/results; ARGS="--quick --only start,livez"
	@$(BIN)/python -m bench $(ARGS)

bench-data: $(STAMP) ## sample data of any size in the embedded database: make bench-data USERS=1000000
	@$(BIN)/python -m bench.data --users $(USERS) $(ARGS)

check: check-format check-lint check-types check-imports check-dockerfile check-schedule ## format, lint, types, import contracts, Dockerfile, schedule
	@echo "All checks passed."

check-format: $(STAMP)
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }

check-lint: $(STAMP)
	@$(BIN)/ruff check --quiet .

check-types: $(STAMP)
	@$(BIN)/mypy

check-imports: $(STAMP)
	@$(BIN)/lint-imports --no-logo

check-dockerfile: $(STAMP)
	@$(BIN)/hadolint Dockerfile

check-schedule: $(STAMP)
	@$(BIN)/lamplighter check

manifests: $(STAMP) ## write the ConfigMap and the CronJobs of deploy/kubernetes; ARGS=other/config.yaml
	@$(BIN)/python -m deploy.manifests $(ARGS)

format: $(STAMP) ## format the code, fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

# The locks name versions and hashes, never where they are fetched from: that is the machine's affair.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(ARGS)

lock: $(STAMP) ## write the locks anew after a change of pyproject.toml; ARGS=--upgrade for newer versions
	@test -x $(BIN)/uv || { echo "make lock needs uv, which could not be installed here." >&2; exit 1; }
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) --group build -o requirements-build.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	@$(MAKE) --no-print-directory install

# The stamp says where .venv was made, since a moved or copied one does not work.
ifneq "$(shell cat $(STAMP) 2>/dev/null)" "$(shell pwd -P)"
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml requirements-build.lock requirements-dev.lock
	@PYTHON='$(PYTHON)' sh .ci/install
