# Every command builds the environment in .venv first if it is not there; `make help` lists them.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/ready
SITE   := .venv/site
LIST   := sed -n '/- pip:/,$$ s/^      - //p' environment.yml

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

.PHONY: help env run store picture colab lab test test-everywhere audit html browser bench lint clean

env: $(READY)  ## build the environment; PYTHON=... takes another interpreter
	@echo "The environment is ready: .venv, $$(cat $(READY))"

# `make env PYTHON=python3.13` takes another interpreter: a .venv of another version is built anew.
ifneq ($(origin PYTHON),file)
ifneq ($(shell command -v $(PYTHON) >/dev/null && $(PYTHON) -V),$(shell cat $(READY) 2>/dev/null))
.PHONY: $(READY)
endif
endif

# Whether $(PYTHON) runs a line; a comma in the line would end the argument.
runs = $(shell $(PYTHON) -c $(1) 2>/dev/null && echo yes)

$(READY): environment.yml pyproject.toml
	$(if $(call runs,''),,$(error $(PYTHON) does not run: install Python 3.11 or newer, or name one with PYTHON=...))
	$(if $(call runs,'import sys; sys.exit(sys.hexversion < 0x30b0000)'),,$(error $(shell $(PYTHON) -V 2>&1) is too old: \
	  install Python 3.11 or newer, and name it with PYTHON=...))
	$(if $(call runs,'import venv; import ensurepip'),,$(error $(PYTHON) has no venv module: \
	  install it (on Debian and Ubuntu with apt install python3-venv)))
	@echo "Building the environment in .venv (a few minutes the first time) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(LIST) > .venv/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/requirements.txt
	@$(PYTHON) -m venv --upgrade --upgrade-deps .venv > /dev/null  # the pip that comes with Python is years old
	@$(BIN)/python -V > $(READY)

# The tools of the site and of the browser test stand in environment.yml, commented out.
$(SITE): $(READY)
	@echo "Adding the tools of the site and of the browser test to .venv ..."
	@sed -n 's/^      # - //p' environment.yml > .venv/requirements-site.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -r .venv/requirements.txt -r .venv/requirements-site.txt
	@touch $(SITE)

# Compiled programs are kept in .venv: a second run need not compile them again. `store` does not
# use them, so that the first calls timed in a stored notebook are first calls.
run lab test browser: export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.venv/jax-cache
run lab test browser: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0

run: $(READY)  ## execute the five notebooks into build/, as notebooks and as HTML
	@$(BIN)/python scripts/run_notebooks.py

store: $(READY)  ## execute the notebooks and keep their outputs: what to do after a change
	@$(BIN)/python scripts/run_notebooks.py --store $(NOTEBOOKS)

picture: $(READY)  ## compose docs/front.png from the stored figures
	@$(BIN)/python scripts/front_picture.py

colab: $(READY)  ## write this repository's address into the notebooks and README; REPO=... gives another
	@$(BIN)/python scripts/colab_address.py $(REPO)

lab: $(READY)  ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab --ip=127.0.0.1 --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

test: $(READY)  ## run the tests and compare every stored output of the notebooks
	$(BIN)/python -m pytest

# `make test-everywhere ONLY="AVX2 offline"` tries these two.
test-everywhere: $(READY)  ## run the tests on each kind of CPU, Python, locale and folder, and print a table
	@$(BIN)/python scripts/test_everywhere.py $(if $(ONLY),--only $(ONLY))

# Strict, because pip-audit else takes a package that it could not look up for one without a fault.
audit: $(READY)  ## look up every installed package in the list of known vulnerabilities; installs pip-audit
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	@$(BIN)/python -m pip freeze --all --exclude-editable > build/audit/installed.txt
	@build/audit/bin/pip-audit --strict --disable-pip --no-deps -r build/audit/installed.txt

# `-W` turns a broken link into an error. The README is the front page, under its own name too.
html: $(SITE)  ## build the site in build/html from the stored notebooks
	@rm -rf build/html
	@$(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d build/doctrees . build/html
	@cp build/html/README.html build/html/index.html

browser: html  ## build the site, and look at it and at JupyterLab with Chromium
	@$(BIN)/python -m pytest browser -s

# `make bench PEERS=1` installs the libraries to compare with first; they stay out of environment.yml.
bench: $(READY)  ## time training side by side with other libraries; PEERS=1 installs them
	$(if $(PEERS),@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch equinox flax)
	@$(BIN)/python -m benchmarks

lint: $(READY)  ## check style and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

clean:  ## remove the environment and everything built
	rm -rf build .venv *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
