# `make help` lists the targets. All that they need besides make is Python 3.11, 3.12 or 3.13.

PRESET ?= lunar-lander
ARGS ?=

# Modules that have a page of their own beside that of their package.
DOCUMENTED := dynamics fitting networks objective parallel planners policy_prior regularizers replay rollout weights

ALLOWED := 3.11.% 3.12.% 3.13.%
version = $(shell $(1) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
suitable = $(filter $(ALLOWED),$(call version,$(1)))

# PYTHON, unless given, is the first suitable interpreter (python3, if none is, to be named in the error).
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(if $(call suitable,$p),$p)) python3)
PYTHON := $(PYTHON)

# The stamp names all that an installation depends on, and is made last: an installation that was
# interrupted, moved, or made from other versions or by another interpreter has no stamp, and is redone.
KEY := $(shell { pwd -P; $(PYTHON) -c 'import sys; print(sys.version, sys.base_prefix)'; cat pyproject.toml constraints.txt; } 2>/dev/null | cksum | cut -d' ' -f1)
STAMP := .venv/.installed-$(KEY)

.DEFAULT_GOAL := help
.PHONY: help setup demo train test test-slow stress lint docs format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## create .venv and install into it (PYTHON=... chooses the interpreter)

$(STAMP):
	$(if $(call suitable,$(PYTHON)),,$(error $(PYTHON) is $(if $(call version,$(PYTHON)),Python $(call version,$(PYTHON)),no Python); allowed are 3.11, 3.12 and 3.13: install one, or name one by PYTHON=/path/to/python))
	$(if $(shell $(PYTHON) -c 'import ensurepip, venv' 2>&1),$(error $(PYTHON) lacks the module venv: install it (Debian and Ubuntu have it in the package python3-venv)))
	@echo "Installing into .venv (Python $(call version,$(PYTHON)); this takes a minute or two) ..."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: setup  ## train PRESET (default lunar-lander); ARGS="--seed 3" passes flags on
	.venv/bin/mbrl-dae train $(PRESET) $(ARGS)

demo: setup  ## fly a trained lander that comes with the package, and film it
	.venv/bin/mbrl-dae demo $(ARGS)

test: setup  ## run the tests; ARGS="-k cem" passes flags on to pytest
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: setup  ## run the longer checks of learning
	XLA_FLAGS= .venv/bin/python -m pytest -m slow $(ARGS)

stress: setup  ## run drawn configurations, killed runs and bad worlds, for an hour; ARGS="-k kills" chooses
	.venv/bin/python -m pytest -n 2 -m stress $(ARGS)

lint: setup  ## check style (ruff) and types (pyright)
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m pyright

docs: setup  ## write the documentation of the code, from its docstrings, into build/docs
	.venv/bin/python -m pdoc -d google -o build/docs mbrl $(addprefix mbrl.,$(DOCUMENTED)) agents

format: setup  ## sort imports and format the code
	.venv/bin/python -m ruff check --select I --fix
	.venv/bin/python -m ruff format

clean:  ## remove .venv, caches and build artefacts; runs/ stays
	rm -rf .venv build dist *.egg-info .hypothesis .pytest_cache .ruff_cache
	find agents mbrl scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
