# make train      an environment, the installation, and the chapter's training
# make test       an environment, and the fast tests
# make test-all   the same, and the slow tests, too
# make lint       the same, and the style
# make walkthrough  the same, and Jupyter, with the notebook in a browser; LANGUAGE=en is the one in English
# make exercise N=4  the same, and the check of your exercise 4 (examples/exercises)
# make bench      the same, and the engines beside d2lzh, NumPy and PyTorch: 10 minutes; leave the machine alone meanwhile
# make windows    the same, and the package under Wine, with MXNet's wheel for Windows
# make elsewhere  the same, and PyTorch and ONNX Runtime in an environment of their own, for the tests of the export
# make browser    the same, and Chromium with Selenium, for the test of the page that a model goes into
#
# PYTHON=python3.10 chooses the interpreter; ARGS=50 is handed on to the program that runs (here: 50 epochs).
# The environment and the trained models stay in this folder; docs/faq.md says what goes elsewhere.

SUPPORTED := import sys; sys.exit(not (sys.implementation.name == "cpython" and (3, 8) <= sys.version_info[:2] <= (3, 14)))
# Without uv, Python must be able to make an environment by itself; Debian keeps that in a package of its own.
ABLE := $(if $(shell command -v uv 2>/dev/null),,import ensurepip; )$(SUPPORTED)
CANDIDATES := python3 python python3.11 python3.12 python3.13 python3.14 python3.10 python3.9 python3.8
PYTHON := $(shell for python in $(CANDIDATES); do $$python -c '$(ABLE)' 2>/dev/null && echo $$python && break; done)
override PYTHON := $(patsubst ~/%,$(HOME)/%,$(PYTHON))
MINOR := import sys; print("%d.%d" % sys.version_info[:2])
VERSION := $(shell '$(PYTHON)' -c '$(MINOR)' 2>/dev/null)
VENV := .venv-$(VERSION)
PEERS := .venv-peers-$(VERSION)
ELSEWHERE := .venv-elsewhere-$(VERSION)
BROWSER := .venv-browser
# As many tests at a time as there are cores, four at most: each takes up to half a gigabyte, and has a core to itself.
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup
ARGS =
EXERCISE = $(wildcard examples/exercises/exercise_$(N)_*.py)

.PHONY: help train test test-all lint walkthrough exercise bench elsewhere browser windows environment able named

# The list of packages that a target needs beside requirements.txt: tests/requirements.txt or examples/requirements.txt.
test test-all lint bench elsewhere browser windows: MORE = -tests
walkthrough: MORE = -examples

help:
	@sed -n 's/^# //p; /^$$/q' Makefile

train: environment
	$(VENV)/bin/python examples/train_jaychou.py $(ARGS)

test: environment
	$(PYTEST) -m 'not slow' $(ARGS)

test-all: environment
	$(PYTEST) $(ARGS)

lint: environment
	$(VENV)/bin/python -m ruff check . $(ARGS)

walkthrough: environment
	$(VENV)/bin/python -m notebook examples/walkthrough$(if $(filter en,$(LANGUAGE)),,.zh-CN).ipynb $(ARGS)

exercise: named environment
	$(VENV)/bin/python $(EXERCISE) $(ARGS)

# Before anything is installed
named:
	@test "$(words $(EXERCISE))" = 1 || { echo "Which exercise? For instance: make exercise N=4" >&2; exit 1; }

bench: environment
	@$(MAKE) --silent --no-print-directory $(PEERS)/installed PYTHON='$(PYTHON)'
	@$(PEERS)/bin/python -c 'import torch' 2>/dev/null || \
		echo "PyTorch is optional; to measure it too: $(PEERS)/bin/python -m pip install torch==2.13.0"
	$(VENV)/bin/python benchmarks/run.py $(ARGS)

# The tests of the export look for it, and are skipped where it is not.
elsewhere: environment
	@test -x $(ELSEWHERE)/bin/python || rm -rf $(ELSEWHERE)
	@$(MAKE) --silent --no-print-directory $(ELSEWHERE)/installed PYTHON='$(PYTHON)'

# Chromium is a program of the system: root installs it here, and others are told how. `make test-all` has the test, too.
browser: environment
	@test -x /usr/bin/chromium -a -x /usr/bin/chromedriver || { test "$$(id -u)" = 0 && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		chromium chromium-driver fonts-noto-cjk >/dev/null; } || { \
		echo 'The test of the page needs Chromium: as root, apt-get install chromium chromium-driver fonts-noto-cjk.'; \
		exit 1; }
	@test -x $(BROWSER)/bin/python || rm -rf $(BROWSER)
	@$(MAKE) --silent --no-print-directory $(BROWSER)/installed PYTHON='$(PYTHON)'
	$(VENV)/bin/python -m pytest tests/test_page.py $(ARGS)

windows: environment
	$(VENV)/bin/python tools/windows.py $(ARGS)

# The file `installed` says that the installation was finished, and in which folder: an environment does not survive it
# when that folder gets another name, or when the Python that it was made with goes away.
environment: able
	@test "$$(cat $(VENV)/installed 2>/dev/null)" = "$$(pwd -P)" && test -x $(VENV)/bin/python || rm -rf $(VENV)
	@$(MAKE) --silent --no-print-directory $(VENV)/installed$(MORE) PYTHON='$(PYTHON)'

# Without dependencies: the lists are complete, and MXNet's metadata forbid what works (tools/build_requirements.py).
define install
	@if command -v uv >/dev/null; then \
		uv pip install --quiet --python $(VENV) --no-deps $(1); \
	else \
		$(VENV)/bin/python -m pip install --quiet --use-pep517 --no-deps $(1); \
	fi
endef

$(VENV)/installed: setup.py requirements.txt
	@echo "Installing into $(VENV) (this takes a minute, once)"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python '$(PYTHON)' $(VENV); \
	else \
		'$(PYTHON)' -m venv $(VENV); \
	fi
	$(call install,--requirement requirements.txt --editable .)
	@pwd -P > $@

$(VENV)/installed-%: %/requirements.txt $(VENV)/installed
	@echo "Installing into $(VENV) what $< names"
	$(call install,--requirement $<)
	@touch $@

# Beside d2lzh stand NumPy (and PyTorch) at versions that MXNet cannot share an environment with.
$(PEERS)/installed: benchmarks/requirements.txt
	@echo "Installing into $(PEERS)"
	@$(VENV)/bin/python -m venv --without-pip $(PEERS)
	@$(VENV)/bin/python -m pip --python $(PEERS)/bin/python install --quiet pip --requirement benchmarks/requirements.txt
	@touch $@

$(ELSEWHERE)/installed: tests/requirements-elsewhere.txt
	@echo "Installing into $(ELSEWHERE)"
	@$(VENV)/bin/python -m venv --without-pip $(ELSEWHERE)
	@$(VENV)/bin/python -m pip --python $(ELSEWHERE)/bin/python install --quiet --requirement $<
	@touch $@

$(BROWSER)/installed: tests/requirements-browser.txt
	@echo "Installing into $(BROWSER)"
	@$(VENV)/bin/python -m venv --without-pip $(BROWSER)
	@$(VENV)/bin/python -m pip --python $(BROWSER)/bin/python install --quiet --requirement $<
	@touch $@

# Whether all this can work here, before anything starts: a Python, a folder to write to, what MXNet needs of the system.
able:
	@'$(PYTHON)' -c '$(ABLE)' 2>/dev/null || { \
		cure='install one and name it, for instance: make train PYTHON=python3.11'; \
		for python in $(if $(PYTHON),'$(PYTHON)',$(CANDIDATES)); do \
			version=$$("$$python" --version 2>&1) || continue; \
			found="$$found$${found:+, }$$python is $$version"; \
			minor=$$("$$python" -c '$(MINOR); $(SUPPORTED)' 2>/dev/null) || continue; \
			found="$$found without the module ensurepip"; \
			cure="install that module (Debian and Ubuntu: apt-get install python$$minor-venv), or uv"; \
		done; \
		echo 'rnn_scratch needs CPython 3.8 to 3.14, and here' \
			$${found:-'$(or $(PYTHON),Python) was not found'}: "$$cure."; \
		exit 1; } >&2
	@test -w . || { echo "The folder $$(pwd -P) cannot be written to, and make keeps the environment in it:" \
		"copy the folder to a place of your own and run make there." >&2; exit 1; }
	@'$(PYTHON)' rnn_scratch/_platform.py
