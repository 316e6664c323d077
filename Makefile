# The two commands of the README are `make demo` and `make test`; each installs what it needs on its first use.
PYTHON ?= python3.11
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := .venv-bench
BENCH_INSTALLED := $(BENCH)/.installed

LEROBOT := .venv-lerobot
LEROBOT_INSTALLED := $(LEROBOT)/.installed

.PHONY: help setup demo test check bench bench-setup lerobot-setup browser-setup browser-test clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## create .venv and install everything, pinned (PYTHON=python3.12 to choose another)

# torch comes first and alone, under the pin: where an index offers a CPU build of that version, it is taken.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing; install it (Debian: apt-get install python3.11-venv) or name another 3.11 or 3.12: make setup PYTHON=..." >&2; exit 1; }
	$(PYTHON) -P sessions/system_packages.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## the whole story on the simulated arm; ARGS="--quick --seed 1" passes options on
	@$(BIN)/nudge demo $(ARGS)

test: check ## make check, then every test; ARGS="tests/store -x" passes options on
	$(BIN)/pytest $(ARGS)

check: $(INSTALLED) ## lint, format, types, import fences, file fences
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/sessions/test_fences.py

bench: $(INSTALLED) ## every benchmark; ARGS=--quick is rough and short, ARGS=--json one JSON line a metric
	@$(BIN)/nudge bench all $(ARGS)

bench-setup: $(BENCH_INSTALLED) ## create .venv-bench with third-party tasks (gym-hil, robosuite, gymnasium-robotics)

# An environment of its own: these packages hold numpy and MuJoCo back (docs/decisions/0011).
$(BENCH_INSTALLED): pyproject.toml constraints-bench.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing; name another: make bench-setup PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet -c constraints-bench.txt torch
	$(BENCH)/bin/pip install --quiet -c constraints-bench.txt -e '.[bench]' pytest pytest-timeout pytest-randomly hypothesis
	@touch $@

lerobot-setup: $(LEROBOT_INSTALLED) ## create .venv-lerobot, which converts policies of LeRobot's (8 GB)

# An environment of its own: lerobot holds torch back.
$(LEROBOT_INSTALLED): constraints-lerobot.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing; name another: make lerobot-setup PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(LEROBOT)
	$(LEROBOT)/bin/pip install --quiet -c constraints-lerobot.txt lerobot
	@touch $@

browser-setup: ## install Debian's Chromium, which the tests of the console drive (needs root)
	command -v chromium >/dev/null || apt-get install --yes --quiet --no-install-recommends chromium

browser-test: $(INSTALLED) browser-setup ## a whole session driven from the console in Chromium; wants the machine for itself
	NUDGE_CHROMIUM=$$(command -v chromium) $(BIN)/pytest tests/ros/test_console_browser.py tests/teleop/test_console_page.py

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) $(BENCH) $(LEROBOT) *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build
