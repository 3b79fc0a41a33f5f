# Every command first builds the environment in .venv if it is missing; `make help` lists them.
# The Python is the one .venv was made with, or else python3. Another one in PYTHON=... builds .venv anew.
PYTHON ?= $(or $(wildcard $(shell sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)),python3)
BIN    := .venv/bin
READY  := .venv/Python-$(lastword $(shell $(PYTHON) -V 2>/dev/null))

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

.PHONY: help env run store colab lab test test-everywhere audit html browser bench lint clean

env: $(READY) $(JAX:%=.venv/with-%)  ## build the environment; PYTHON=python3.13 chooses a Python, JAX=cuda13 adds GPUs
	@echo "The environment is ready: .venv, $(READY:.venv/Python-%=Python %)"
$(READY): pyproject.toml
	@$(PYTHON) -V >/dev/null || \
	  { echo "$(PYTHON) does not run: install Python 3.11 or newer, or name it with PYTHON=..."; exit 1; }
	@$(PYTHON) tools/env.py && touch $@
.venv/with-%: $(READY)  # what only some commands need: the list of that name in pyproject.toml
	@echo "Adding what $* needs to .venv ..."
	@$(BIN)/python tools/env.py $* && touch $@

# Compiled programs are kept in .venv, so that a second run is faster. `store` does without, because the first calls
# that a notebook times have to be first calls. On a GPU, notebooks that run side by side share its memory.
run lab test browser: export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.venv/jax-cache
run lab test browser: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0
run test: export XLA_PYTHON_CLIENT_PREALLOCATE := false

run: $(READY)  ## execute the five notebooks into build/, as notebooks and as HTML
	@$(BIN)/python -m tools.run
store: $(READY)  ## execute the notebooks and keep their outputs: what to do after a change
	@$(BIN)/python -m tools.run --store $(NOTEBOOKS) && $(BIN)/python -m tools.picture
colab: $(READY)  ## write this repository's address into the notebooks and README; REPO=... gives another
	@$(BIN)/python -m tools.colab $(REPO)
lab: $(READY)  ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab --ip=127.0.0.1 --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)
test: $(READY)  ## run the tests and compare every stored output of the notebooks
	$(BIN)/python -m pytest
test-everywhere: .venv/with-everywhere  ## run the tests on each CPU, Python and package list; ONLY="AVX2 colab" tries two
	@$(BIN)/python -m nox $(if $(ONLY),--sessions $(ONLY))
audit: .venv/with-audit  ## look up every installed package in the list of known vulnerabilities
	@$(BIN)/python -m pip freeze --all --exclude-editable > .venv/installed.txt
	@$(BIN)/pip-audit --strict --disable-pip --no-deps -r .venv/installed.txt
html: .venv/with-site  ## build the site in build/html from the stored notebooks
	@rm -rf build/html
	@$(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d build/doctrees . build/html
	@cp build/html/README.html build/html/index.html
browser: html .venv/with-browser  ## build the site, and look at it and at JupyterLab with Chromium
	@$(BIN)/python -m pytest tests/browser -n 0
bench: $(READY) $(PEERS:%=.venv/with-bench)  ## time training beside other libraries; PEERS=1 installs them
	@$(BIN)/python -m tools.benchmark
lint: .venv/with-lint  ## check style and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
clean:  ## remove the environment and everything built
	rm -rf build .venv *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
