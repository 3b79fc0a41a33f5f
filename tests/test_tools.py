"""The tools behind `make`: failures are named, interruptions leave no half file, addresses are written everywhere."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import tools
from tools import NOTEBOOKS, ROOT, colab


def write_notebook(path, *sources):
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)


def test_each_failure_is_named_and_the_other_notebooks_still_run(tmp_path):
    write_notebook(tmp_path / "1_raises.ipynb", "1 / 0", "2")
    write_notebook(tmp_path / "2_dies.ipynb", "import os", "os._exit(1)")
    write_notebook(tmp_path / "3_claims.ipynb", "from helpers.claims import claim", "claim('two is one', 2 == 1)")
    write_notebook(tmp_path / "4_works.ipynb", "6 * 7")
    (tmp_path / "5_is_cut.ipynb").write_text('{"cells": [')
    before = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}

    command = [sys.executable, "-m", "tools.run", "--store", "--build", tmp_path / "build", *sorted(before)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    table, errors = run.stdout, run.stderr
    assert run.returncode == 1
    assert [line.split()[0] for line in table.splitlines()] == [path.stem for path in sorted(before)]
    assert [line.endswith("FAILED") for line in table.splitlines()] == [True, True, True, False, True]
    for error in ("1_raises.ipynb: CellExecutionError", "ZeroDivisionError", "2_dies.ipynb: DeadKernelError"):
        assert error in errors
    assert "does not hold: two is one" in errors and "5_is_cut.ipynb: NotJSONError" in errors
    stored = [path.name for path, content in before.items() if path.read_bytes() != content]
    assert stored == ["4_works.ipynb"]
    assert nbformat.read(tmp_path / stored[0], as_version=4).cells[0].outputs[0].data["text/plain"] == "42"


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    tools.write(tmp_path / "a", "old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tools.write(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_make_colab_writes_an_address_that_anybody_can_clone(monkeypatch):
    written = {}
    monkeypatch.setattr(colab, "write", lambda path, text: written.update({path.name: text}))
    for address in ("https://github.com/me/it.git/", "https://me:secret@github.com/me/it", "git@github.com:me/it.git"):
        assert colab.main(address) is None
        for path in NOTEBOOKS:
            old, new = path.read_text(encoding="utf-8").splitlines(), written[path.name].splitlines()
            (changed,) = [after for before, after in zip(old, new, strict=True) if before != after]
            assert 'REPO = \\"https://github.com/me/it\\"' in changed
            badge = f"](https://colab.research.google.com/github/me/it/blob/main/notebooks/{path.name})"
            assert written["README.md"].count(badge) == 1
    assert "make colab REPO=https://github.com/OWNER/NAME" in colab.main("/home/me")


def test_badges_are_replaced_and_go_where_no_service_knows_the_address():
    readme = "# Title\n\nText\n\n| [01](notebooks/01_a.ipynb) | question |\n"
    github = colab.with_badges("https://github.com/a/b", readme)
    assert github.count("[![") == 3 and colab.with_badges("https://github.com/a/b", github) == github
    assert colab.with_badges("https://github.com/c/d", github) == colab.with_badges("https://github.com/c/d", readme)
    assert colab.with_badges("https://gitlab.com/a/b", github) == readme
