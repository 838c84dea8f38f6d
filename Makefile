# make train    an environment, the installation, and the chapter's training
# make test     the same, and the tests
# make lint     the same, and the style
# make bench    the same, and this engine beside d2lzh's
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
ARGS =

.PHONY: train test lint bench python

train: environment
	$(VENV)/bin/python examples/train_jaychou.py $(ARGS)

test: environment
	$(VENV)/bin/python -m pytest $(ARGS)

lint: environment
	$(VENV)/bin/python -m ruff check . $(ARGS)

bench: environment
	$(VENV)/bin/python benchmarks/tutorial_engine.py $(ARGS)

# The file in the environment says that its installation was finished, and with which pins.
.PHONY: environment
environment: python
	@$(MAKE) --no-print-directory $(VENV)/installed PYTHON='$(PYTHON)'

$(VENV)/installed: setup.py constraints.txt
	@echo "Installing into $(VENV) (this takes a minute, once)"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --seed --allow-existing --python '$(PYTHON)' $(VENV) && \
		uv pip install --quiet --python $(VENV) --constraint constraints.txt --editable '.[test]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'; \
	fi
	@touch $@

python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { echo "$(UNSUPPORTED)"; exit 1; }
