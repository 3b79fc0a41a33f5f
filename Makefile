# Every command builds the environment in .venv first if it is not there; `make help` lists them.
# The Python is that of .venv, or else python3; with another in PYTHON=..., .venv is built anew.
PYTHON ?= $(or $(wildcard $(shell sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)),python3)
BIN    := .venv/bin
READY  := .venv/Python-$(lastword $(shell $(PYTHON) -V 2>/dev/null))

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

.PHONY: help env run store colab lab test test-everywhere audit html browser bench lint clean

env: $(READY) $(JAX:%=.venv/jax-%)  ## build the environment; PYTHON=python3.13 is its Python, JAX=cuda13 adds GPUs
	@echo "The environment is ready: .venv, $(READY:.venv/Python-%=Python %)"
$(READY): environment.yml pyproject.toml
	@$(PYTHON) -V >/dev/null || \
	  { echo "$(PYTHON) does not run: install Python 3.11 or newer, or name it with PYTHON=..."; exit 1; }
	@$(PYTHON) tools/env.py && touch $@

# What only some commands need: with-site is the list `site` in pyproject.toml, jax-cuda13 is jax[cuda13].
.venv/with-%: $(READY)
	@echo "Adding what $* needs to .venv ..."
	@$(BIN)/python tools/env.py -e ".[$*]" && touch $@
.venv/jax-%: $(READY)
	@echo "Adding jax[$*] to .venv ..."
	@$(BIN)/python tools/env.py "jax[$*]" && touch $@

# Compiled programs are kept in .venv: a second run need not compile them again. `store` compiles, so that the first
# calls timed in a stored notebook are first calls. Notebooks side by side on one GPU take its memory as they need it.
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
test-everywhere: .venv/with-everywhere  ## run the tests on each kind of CPU, Python and package list; ONLY="AVX2 colab" tries two
	@$(BIN)/python -m nox $(if $(ONLY),--sessions $(ONLY))

# Strict, because pip-audit else takes a package that it could not look up for one without a fault.
audit: .venv/with-audit  ## look up every installed package in the list of known vulnerabilities
	@$(BIN)/python -m pip freeze --all --exclude-editable > .venv/installed.txt
	@$(BIN)/pip-audit --strict --disable-pip --no-deps -r .venv/installed.txt

# `-W` turns a broken link into an error. The README is the front page, under its own name too.
html: .venv/with-site  ## build the site in build/html from the stored notebooks
	@rm -rf build/html
	@$(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d build/doctrees . build/html
	@cp build/html/README.html build/html/index.html
browser: html .venv/with-browser  ## build the site, and look at it and at JupyterLab with Chromium
	@$(BIN)/python -m pytest tests/browser -n 0 -s
bench: $(READY) $(PEERS:%=.venv/with-bench)  ## time training beside other libraries; PEERS=1 installs them
	@$(BIN)/python -m tools.benchmark
lint: .venv/with-lint  ## check style and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
clean:  ## remove the environment and everything built
	rm -rf build .venv *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
