# Every target builds the environment in .venv first if it is not there.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/ready
LIST   := sed -n '/- pip:/,$$ s/^      - //p' environment.yml

.PHONY: env run store lab test lint clean

env: $(READY)
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
	@$(BIN)/python -V > $(READY)

run: $(READY)
	@$(BIN)/python scripts/run_notebooks.py

# Execute the notebooks and keep their outputs: what to do after changing one.
store: $(READY)
	@$(BIN)/python scripts/run_notebooks.py --store $(NOTEBOOKS)

lab: $(READY)
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

clean:
	rm -rf build .venv *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
