"""The estimator of notebook 01 against scikit-learn's own list of checks, and on data that break a root."""

import ast
import contextlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "01_linear_sgd.ipynb"
DEFINITIONS = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef


@pytest.fixture
def SGD(monkeypatch):
    """Return the class, from a module of the imports, definitions and constants that stand before it."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    module = types.ModuleType("notebook_01")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where pickle looks for the class
    for node in ast.parse("\n".join(map(TransformerManager().transform_cell, sources))).body:
        constant = isinstance(node, ast.Assign) and not any(isinstance(part, ast.Call) for part in ast.walk(node))
        if isinstance(node, DEFINITIONS) or constant:
            with contextlib.suppress(Exception):  # it needs what the notebook computes, and SGD does not
                exec(compile(ast.Module([node], []), str(NOTEBOOK), "exec"), vars(module))
        if hasattr(module, "SGD"):
            return module.SGD


@pytest.mark.filterwarnings("ignore", category=SkipTestWarning)
def test_sgd_passes_every_check_but_the_one_of_other_arrays(SGD):
    results = check_estimator(SGD(steps=200), on_fail=None)
    others = {result["check_name"]: result["status"] for result in results if result["status"] != "passed"}
    # Arrays of other libraries are checked only where SCIPY_ARRAY_API is set before scipy is imported.
    assert len(results) > 40 and others.items() <= {"check_array_api_input": "skipped"}.items()


@pytest.mark.parametrize("learning_rate", [0.0, float("nan")])
def test_sgd_refuses_a_learning_rate(SGD, learning_rate):
    with pytest.raises(ValueError, match=f"learning_rate must be positive.*, got {learning_rate}"):
        SGD(learning_rate=learning_rate).fit([[1.0], [2.0]], [1.0, 2.0])


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("x, y", [(1, 0), (0, 0), (0, 1), (1e15, 1), (1, 1e20), (1e300, 1), (1, 1e300)])
def test_sgd_never_returns_coefficients_that_are_not_finite(SGD, x, y):
    rows = np.random.default_rng(0).standard_normal((200, 2))
    with contextlib.suppress(ValueError, FloatingPointError):
        model = SGD(random_state=0).fit(x * rows, y * rows.sum(1))
        assert np.isfinite([*model.coef_, model.intercept_]).all()
