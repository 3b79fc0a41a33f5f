"""The estimator of notebook 01 against scikit-learn's own list of checks."""

import ast
import json
import sys
import types
from pathlib import Path

import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "01_linear_sgd.ipynb"


@pytest.fixture
def SGD(monkeypatch):
    """Return the class, from a module of the notebook's imports and definitions."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and "colab" not in cell["metadata"].get("tags", [])]
    body = ast.parse("\n".join("".join(cell["source"]) for cell in code)).body
    kinds = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef
    module = types.ModuleType("notebook_01")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where pickle looks for the class
    definitions = ast.Module([node for node in body if isinstance(node, kinds)], [])
    exec(compile(definitions, str(NOTEBOOK), "exec"), vars(module))
    return module.SGD


@pytest.mark.filterwarnings("ignore", category=SkipTestWarning)
def test_sgd_passes_every_check_but_the_one_of_other_arrays(SGD):
    results = check_estimator(SGD(steps=200), on_fail=None)
    others = {result["check_name"]: result["status"] for result in results if result["status"] != "passed"}
    # Arrays of other libraries are checked only where SCIPY_ARRAY_API is set before scipy is imported.
    assert others.items() <= {"check_array_api_input": "skipped"}.items()
    assert len(results) > 40


@pytest.mark.parametrize("learning_rate", [0.0, -0.1, float("nan"), float("inf")])
def test_sgd_refuses_a_learning_rate(SGD, learning_rate):
    with pytest.raises(ValueError, match=f"learning_rate must be positive and finite, got {learning_rate}"):
        SGD(learning_rate=learning_rate).fit([[1.0], [2.0]], [1.0, 2.0])
