# Everything that one does here. `make run` and `make test` need python3 with venv and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV := $(VENV)/.developed
PO := hardentui/locale/fr/LC_MESSAGES/hardentui.po
# Tests start the program many times: without compiled modules each start takes a second more.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test check test-system test-system-long bench screenshots messages clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(STAMP): pyproject.toml $(PO) hardentui/locale/compile.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(DEV): $(STAMP) tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	touch $@

run: $(STAMP) ## open the assistant on this host (ARGS="--demo" for a recorded one)
	$(BIN)/hardentui $(ARGS)

test: $(DEV) ## the tests, without booting anything
	$(BIN)/python -m pytest -n auto -m "not system"

check: $(DEV) ## formatting, lint, types, import contracts, translations, shell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck .ci/run hardentui/script/*.sh
	$(BIN)/hardentui checklist check

test-system: $(DEV) ## apply and roll back on booted systems (root; see CONTRIBUTING)
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "system and not long" tests/system

test-system-long: $(DEV) ## the same, with what takes minutes of its own (SELinux, auditd, ufw, firewalld, Redis)
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m system tests/system

bench: $(DEV) ## scan, first frame and --version against their floors, as ratios
	$(BIN)/python tests/bench.py

screenshots: $(DEV) ## draw screenshots/ again from the recorded host
	$(BIN)/python tests/screenshots.py

messages: $(DEV) ## collect new texts into the French catalogue
	$(BIN)/pybabel -q extract --no-location --sort-output --omit-header -k N_ -k _ -k ngettext:1,2 \
	  -o $(VENV)/hardentui.pot hardentui
	$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-pot-creation-date -i $(VENV)/hardentui.pot -o $(PO) -l fr

clean: ## remove what was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .lab
