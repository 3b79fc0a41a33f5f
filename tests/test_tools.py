"""The tools that `make` calls: a failure is named, and Ctrl-C leaves nothing behind: no half file, no kernel."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import tools
from tools import NOTEBOOKS, ROOT, colab, run

# Says who it is and does not end.
ENDLESS = """
import os, pathlib, time
pathlib.Path(f"{os.getpid()}.pid").touch()
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Undo what a shell does to a job in the background, which hands "ignore Ctrl-C" down to its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def write_notebook(path, *sources):
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells), path)


def start(*command):
    """Start a command in a process group of its own, as a shell does."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([sys.executable, "-m", *map(str, command)], cwd=ROOT, start_new_session=True, **pipes)


def run_notebooks(folder, *options):
    return start("tools.run", "--build", folder / "build", *options, *sorted(folder.glob("*.ipynb")))


def test_each_failure_is_named_and_the_other_notebooks_still_run(tmp_path):
    write_notebook(tmp_path / "1_raises.ipynb", "1 + 1", "1 / 0")
    write_notebook(tmp_path / "2_dies.ipynb", "import os", "os._exit(1)")
    write_notebook(tmp_path / "3_hangs.ipynb", "import time; time.sleep(600)")
    write_notebook(tmp_path / "4_works.ipynb", "6 * 7")
    (tmp_path / "5_is_cut.ipynb").write_text('{"cells": [')
    (tmp_path / "6_is_empty.ipynb").write_text("{}")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}

    process = run_notebooks(tmp_path, "--timeout", "2", "--store")
    printed, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "1_raises.ipynb, cell 3:\n" in errors and "ZeroDivisionError" in errors
    assert "2_dies.ipynb, cell 3:\nos._exit(1)\nDeadKernelError: Kernel died\n" in errors
    assert "3_hangs.ipynb, cell 2:\nA cell timed out while it was being executed, after 2 seconds" in errors
    assert "5_is_cut.ipynb, not a notebook that can be read:\nNotJSONError: " in errors
    assert "6_is_empty.ipynb, not a notebook that can be read:\nValidationError: " in errors
    assert [line.split()[0] for line in printed.splitlines()[1:]] == [path.stem for path in sorted(before)]
    assert printed.count("FAILED") == 5

    done = nbformat.read(tmp_path / "build" / "4_works.ipynb", as_version=4)
    assert done.cells[1].outputs[0].data["text/plain"] == "42"
    stored = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert stored == {"4_works.ipynb"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for a process group")
def test_ctrl_c_ends_a_run_in_one_line(tmp_path):
    for name in ("a.ipynb", "b.ipynb"):
        write_notebook(tmp_path / name, ENDLESS)
    with run_notebooks(tmp_path) as process:
        try:
            while len(kernels := list(tmp_path.glob("*.pid"))) < min(2, os.cpu_count()):
                assert process.poll() is None
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            printed, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert printed == "" and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("Interrupted: ")
    assert not any(psutil.pid_exists(int(path.stem)) for path in kernels)
    assert not list((tmp_path / "build").iterdir())


def test_the_page_has_alt_texts_and_folds_cells():
    figure = nbformat.v4.new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": "a < b"}}
    )
    cells = [
        new_code_cell("# @title The picture\nx = 1", metadata={"jupyter": {"source_hidden": True}}, outputs=[figure])
    ]
    page, _ = run.HTMLExporter(raw_template=run.PAGE).from_notebook_node(new_notebook(cells=cells))
    assert page.count("Show code: The picture</summary>") == 1
    assert '<img alt="a &lt; b"' in page


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    tools.write(tmp_path / "a", "old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tools.write(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_make_colab_writes_one_line_of_each_notebook_and_a_badge(monkeypatch, capsys):
    written = {}
    monkeypatch.setattr(colab, "write", lambda path, text: written.update({path.name: text}))
    assert colab.main("git@github.com:owner/name.git") is None
    assert "clone https://github.com/owner/name; README.md has 5 badges" in capsys.readouterr().out
    link = "https://colab.research.google.com/github/owner/name/blob/main/notebooks/"
    for path in NOTEBOOKS:
        old, new = path.read_text(encoding="utf-8").splitlines(), written[path.name].splitlines()
        changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1 and 'REPO = \\"https://github.com/owner/name\\"' in changed[0][1]
        assert written["README.md"].count(f"]({link}{path.name}) |") == 1
    assert colab.with_badges("https://gitlab.com/owner/name", written["README.md"]).count("colab-badge") == 0
    assert "must be like https://github.com/OWNER/NAME, got '/home/me'" in colab.main("/home/me")


@pytest.mark.parametrize("address", ["https://github.com/owner/name.git/\n", "https://me:secret@github.com/owner/name"])
def test_an_address_becomes_the_one_that_anybody_can_clone(address):
    assert colab.normalize(address) == "https://github.com/owner/name"
