# Everything a developer or a first-time user types. Needs only Python 3.11 or newer; the rest is installed on first use:
# Python packages into .venv, Tesseract and Poppler through apt-get where that is possible.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
SOURCES := scangrade tests

.DEFAULT_GOAL := help
.PHONY: help install system browser demo test lint types benchmark clean

help:
	@echo 'make demo       make sample booklets, grade them, show where everything is'
	@echo 'make install    the command scangrade, in $(BIN)'
	@echo 'make test       everything that must hold: lint, types, tests with coverage'
	@echo 'make lint       ruff; make types: mypy'
	@echo 'make benchmark  how often it is wrong, and how often it asks: samples, corpus, a million simulated boxes;'
	@echo '                and where the time goes. Takes an hour or two'
	@echo 'make clean      remove what was made here'

install: system $(VENV)/.installed

system:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'scangrade needs Python 3.11 or newer; $(PYTHON) is '"$$($(PYTHON) --version 2>&1)"'. Try: make PYTHON=python3.11' >&2; exit 2; }
	@missing=''; \
	command -v tesseract >/dev/null || missing="$$missing tesseract-ocr"; \
	command -v pdftoppm >/dev/null || missing="$$missing poppler-utils"; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	[ -z "$$missing" ] && exit 0; \
	sudo=''; [ "$$(id -u)" = 0 ] || sudo='sudo'; \
	if command -v apt-get >/dev/null && { [ -z "$$sudo" ] || command -v sudo >/dev/null; }; then \
	  echo "Installing$$missing" >&2; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
	  echo "Please install:$$missing (the names of Debian's packages), then run make again." >&2; exit 2; \
	fi

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null && exit 0; \
	sudo=''; [ "$$(id -u)" = 0 ] || sudo='sudo'; \
	if command -v apt-get >/dev/null && { [ -z "$$sudo" ] || command -v sudo >/dev/null; }; then \
	  echo 'Installing chromium, in which the review is tested' >&2; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
	  echo 'Please install chromium (the name of the Debian package): without it, the tests of the review are skipped.' >&2; \
	fi

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

demo: install
	rm -rf $(DEMO)
	$(BIN)/scangrade demo $(DEMO)

lint: install
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: install
	$(BIN)/mypy

test: browser lint types
	$(BIN)/pytest -n 2 --cov=scangrade --cov-report=term-missing:skip-covered --cov-fail-under=85

benchmark: install
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.speed
	$(BIN)/python -m tests.benchmarks.simulated --sheet benchmark

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
