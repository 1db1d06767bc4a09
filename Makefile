# One command each: run, test, bench. Every target sets up what it needs in .venv, pinned, on first use.
# Kept to GNU make 3.81 (macOS). The README has the plain commands for those without make.

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip install --quiet --quiet --disable-pip-version-check --no-input

# The first Python between 3.11 and 3.13 that really starts; PYTHON=... chooses another.
PYTHON ?=
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
LOCK := $(PY) -m piptools compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options --no-annotate --newline lf --resolver backtracking

.PHONY: help .venv run test bench world chaos bars lock format clean
.DEFAULT_GOAL := help

help:
	@echo "make run [ARGS=...]   start the daemon (paper mode without credentials)"
	@echo "make test [ARGS=...]  format check, lint, strict types, tests on every core (WORKERS=0: in one process, for a debugger)"
	@echo "make bench            measure, and write docs/performance.md"
	@echo "make world [HOURS=100] [SEED=1] [WORLDS=cores]  many trading hours on virtual time, shared by so many seeded worlds; exit code 1 on a broken law"
	@echo "make chaos [SEED=1]   10,000 alerts, every fault and 20 kills over real sockets; exit code 1 on a broken law"
	@echo "make bars [MINUTES=60] [SEED=1]  kills, faults and dropped hubs; exit code 1 when a stored bar is not the gateway's"
	@echo "make format           format the code and apply safe lint fixes"
	@echo "make lock             compile the pinned requirements from pyproject.toml"
	@echo "make .venv            set up the environment only"
	@echo "make clean            remove caches and the environment (data/ and .env stay)"

# The stamps lie inside the environment, so that removing it is enough to start again.
.venv/run.stamp: requirements.txt
	@if ! $(PY) -c "$(FITS)" >/dev/null 2>&1; then \
		found=""; \
		for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
			if "$$python" -c "$(FITS)" >/dev/null 2>&1; then found="$$python"; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "No usable Python 3.11, 3.12 or 3.13 found (with its venv module: Debian and Ubuntu pack it as python3-venv)." >&2; \
			echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		echo "First set-up: making .venv with $$("$$found" --version) ..."; \
		"$$found" -m venv --clear .venv; \
	fi
	@echo "Installing the pinned packages of requirements.txt (once, up to a minute) ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@echo "Installing the pinned packages of requirements-dev.txt (once, up to a minute) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

.venv: .venv/dev.stamp

run: .venv/run.stamp
	@exec $(PY) trading_bot.py $(ARGS)

# One process more than there are cores, for many tests wait; what a long file leaves over is taken by whoever is done.
# The types are checked beside the tests, behind them. Without bytecode every worker would rewrite every test file anew.
WORKERS ?= auto
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/dev.stamp
	@echo "== format" && $(PY) -m ruff format --check .
	@echo "== lint" && $(PY) -m ruff check .
	@echo "== tests, and types beside them"; \
	mkdir -p .mypy_cache; nice $(PY) -m mypy >.mypy_cache/said.txt 2>&1 & types=$$!; trap 'kill $$types; exit 130' INT TERM; \
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS); tests=$$?; \
	wait $$types; types=$$?; echo "== types"; cat .mypy_cache/said.txt; \
	[ $$tests -eq 0 ] && [ $$types -eq 0 ]
	@echo "== all green"

bench: .venv/run.stamp
	@exec $(PY) -m benchmarks $(ARGS)

# The hours are shared by as many worlds as there are cores, each with the next seed: their faults are independent.
HOURS ?= 100
SEED ?= 1
WORLDS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
world: .venv/run.stamp
	@exec $(PY) -m tests.world --hours $(HOURS) --seed $(SEED) --worlds $(WORLDS) $(ARGS)

chaos: .venv/run.stamp
	@exec $(PY) -m tests.chaos --seed $(SEED) $(ARGS)

# Redis, its client and pyarrow come with the pins of the tests; without them the run says so.
MINUTES ?= 60
bars: .venv/dev.stamp
	@exec $(PY) -m tests.barproof --minutes $(MINUTES) --seed $(SEED) $(ARGS)

format: .venv/dev.stamp
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

# Both files come from pyproject.toml; the second is held to the pins of the first.
lock: .venv/dev.stamp
	@CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --output-file requirements.txt pyproject.toml $(ARGS)
	@CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt pyproject.toml $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
