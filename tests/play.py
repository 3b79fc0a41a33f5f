"""The notebooks as readers use them: with other constants, and with each cell run twice.

Whatever a reader does, no cell may end in an error or write to stderr. This takes minutes, so `make test` leaves it
out: `make test-everywhere ONLY=play`, or `pytest -o addopts= -n 2 tests/play.py`.
"""

import copy
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tools import NOTEBOOKS, code_cells
from tools.run import execute

# The notebook, and what is set after its own constants.
CHANGES = """
01 learning_rate = 0.03
01 batch_size = 64; seed = 1
01 n = 40; batch_size = 40
01 steps = 37
01 true_w1 = -20.0; true_w2 = 0.0
02 h = 8
02 h = 1; seed = 0
02 epochs = 200; small_scale = 0.1
02 learning_rate = 0.3; bias_scale = 1.0
02 widths = (2, 5); networks = 77
03 epochs = 100; seed = 1
03 mass = 0.8; stretch = 20
03 learning_rate = 0.1
03 n = 150; noise = 0.05
03 batch_size = 37; h = 3; trials = 4
04 batch_size = 64; seed = 1
04 batch_size = 150; h = 5; margins = (0.2, 0.05)
04 learning_rate = 0.1; patience = 2
04 short_run = 3; long_run = 7
04 folds = 3; test_size = 500; strengths = (1e-3,)
05 layer_sizes = (784, 64, 10); epochs = 2
05 layer_sizes = (784, 30, 20, 15, 10); epochs = 1
05 batch_size = 128; peak_rate = 5e-4; epochs = 2
05 n_validation = 777; seed = 1; epochs = 1
05 n_few = 500; n_turned = 13; epochs = 3
"""
RUNS = [line.split(maxsplit=1) for line in CHANGES.strip().splitlines()]
EACH_NOTEBOOK = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def friendly_claims(monkeypatch):
    monkeypatch.delenv("CLAIMS")  # other tests set it to "strict"


def run(notebook, path):
    execute(notebook, path.parent, allow_errors=True)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", f"{output.ename}: {output.evalue}\nin the cell\n{cell.source}"
            assert output.get("name") != "stderr", f"on stderr: {output.text}\nfrom the cell\n{cell.source}"


@pytest.mark.parametrize("number, change", RUNS, ids=map(" ".join, RUNS))
def test_other_constants(number, change):
    (path,) = [path for path in NOTEBOOKS if path.name.startswith(number)]
    notebook = nbformat.read(path, as_version=4)
    (parameters,) = code_cells(notebook, "parameters")
    assert all(f"{name} = " in parameters.source for name in re.findall(r"(\w+) =", change))
    notebook.cells.insert(notebook.cells.index(parameters) + 1, new_code_cell(change))
    run(notebook, path)


@EACH_NOTEBOOK
def test_float64(path, monkeypatch):
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    run(nbformat.read(path, as_version=4), path)


@EACH_NOTEBOOK
def test_each_cell_twice_and_then_all_again(path):
    notebook = nbformat.read(path, as_version=4)
    code = code_cells(notebook)
    notebook.cells = [copy.deepcopy(cell) for cell in [each for cell in code for each in (cell, cell)] + code]
    run(notebook, path)
