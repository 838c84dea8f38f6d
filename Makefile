# make train    an environment, the installation, and the chapter's training
# make test     the same, and the tests
# make lint     the same, and the style
# make bench    the same, and the engines beside d2lzh, NumPy and PyTorch: 10 minutes; leave the machine alone meanwhile
# make growth   the same, and how cost grows with each setting: a quarter of an hour; leave the machine alone meanwhile
#
# PYTHON=python3.10 chooses the interpreter; ARGS="--epochs 50" is handed on to the program that runs.
# Nothing is written outside this folder (but for the caches of pip and uv).

SUPPORTED := import sys; sys.exit(not (sys.implementation.name == "cpython" and (3, 8) <= sys.version_info[:2] <= (3, 12)))
# Without uv, Python must be able to make an environment by itself; Debian keeps that in a package of its own.
ABLE := $(if $(shell command -v uv),,import ensurepip; )$(SUPPORTED)
PYTHON := $(shell for python in python3 python python3.11 python3.10 python3.12 python3.9 python3.8; do \
	$$python -c '$(ABLE)' 2>/dev/null && echo $$python && break; done)
UNSUPPORTED = rnn_scratch needs CPython 3.8 to 3.12, because MXNet cannot run on any other,
UNSUPPORTED += and $(if $(PYTHON),$(PYTHON) is not one of them,none that can make an environment was found):
UNSUPPORTED += install one and name it, for instance: make train PYTHON=python3.11
VERSION = $(if $(PYTHON),$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
VENV = .venv-$(VERSION)
PEERS = .venv-peers-$(VERSION)
ARGS =

.PHONY: help train test lint bench growth python

help:
	@sed -n 's/^# //p; /^$$/q' Makefile

train: environment
	$(VENV)/bin/python examples/train_jaychou.py $(ARGS)

test: environment
	$(VENV)/bin/python -m pytest $(ARGS)

lint: environment
	$(VENV)/bin/python -m ruff check . $(ARGS)

bench growth: environment
	@$(MAKE) --silent --no-print-directory $(PEERS)/installed PYTHON='$(PYTHON)'
	@$(PEERS)/bin/python -c 'import torch' 2>/dev/null || \
		echo "PyTorch is optional; to measure it too: $(PEERS)/bin/python -m pip install torch==2.13.0"
	$(VENV)/bin/python benchmarks/run.py $@ $(ARGS)

# The file in the environment says that its installation was finished, and with which pins.
.PHONY: environment
environment: python
	@$(MAKE) --silent --no-print-directory $(VENV)/installed PYTHON='$(PYTHON)'

$(VENV)/installed: setup.py constraints.txt
	@echo "Installing into $(VENV) (this takes a minute, once)"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --seed --allow-existing --python '$(PYTHON)' $(VENV) && \
		uv pip install --quiet --python $(VENV) --constraint constraints.txt --editable '.[test]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(VENV)/bin/python -m pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[test]'; \
	fi
	@touch $@

# Beside d2lzh stand NumPy (and PyTorch) at versions that MXNet cannot share an environment with.
$(PEERS)/installed: benchmarks/requirements.txt
	@echo "Installing into $(PEERS)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	@touch $@

python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { echo "$(UNSUPPORTED)"; exit 1; }
