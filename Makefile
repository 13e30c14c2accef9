# make demo   sets everything up and runs the tutorial: data, training, pictures
# make test   sets everything up and runs the tests
# make lint   ruff, mypy and the order of packages
# make docs   the documentation as a site: docs/_build/html/index.html
# make bench  side-by-side timings against peers
# make studio builds the studio's page into one file (needs node and npm)
# make study  slow statistical studies, whose results are committed

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint docs bench study studio clean

demo: $(VENV)/.demo
	$(BIN)/gradline demo --output-folder gradline-demo

test: $(VENV)/.dev
	@$(BIN)/python -c "import importlib.util as u, sys; \
	sys.exit() if u.find_spec('torch') else print('PyTorch is not installed: its tests are skipped (pip install torch to run them)')"
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || command -v chrome \
	>/dev/null || echo "Chromium is not installed: the report is not opened in a browser (apt-get install chromium to have it tested)"
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo "PostgreSQL's server is not installed: \
	no table is read from one (apt-get install postgresql to have it tested)"
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory studio/node_modules/.package-lock.json && \
	cd studio && npm run --silent check && node build.mjs --check; \
	else echo "npm is not installed: the studio's page is not checked (apt-get install nodejs npm to have it checked)"; fi

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -j 2 -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.bench
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

studio: studio/node_modules/.package-lock.json
	cd studio && npm run --silent check && npm run --silent build

studio/node_modules/.package-lock.json: studio/package.json studio/package-lock.json
	cd studio && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

study: $(VENV)/.dev
	$(BIN)/python -m pytest -m study -rP

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gradline needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[tensorflow,plot]"
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis gradline-demo
