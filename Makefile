# Every target builds the environment in .venv first if it is not there.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/ready
LIST   := sed -n '/- pip:/,$$ s/^      - //p' environment.yml

.PHONY: env run store lab test lint clean

# `make env PYTHON=python3.13` takes another interpreter: where .venv was built with one
# of another version, it is built anew.
env:
	@if [ -e $(READY) ] && [ "$$($(BIN)/python -V)" != "$$($(PYTHON) -V)" ]; then rm $(READY); fi
	@$(MAKE) --no-print-directory $(READY)
	@echo "The environment is ready: .venv, $$($(BIN)/python -V)"

$(READY): environment.yml pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
	  { echo "$(PYTHON) is not there: install Python 3.11 or newer, or name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) -V 2>&1): install one and name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Building the environment in .venv (a few minutes the first time) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(LIST) > .venv/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/requirements.txt
	@touch $(READY)

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
