"""What fails in a notebook is named, and Ctrl-C leaves nothing behind: no half file, no kernel."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent

# The first time, this cell says who it is and never ends; the second time it ends at once.
ENDLESS = """
import os, pathlib, time
pid = pathlib.Path("pid")
if not pid.exists():
    pathlib.Path("begun").write_text(str(os.getpid()))
    os.replace("begun", pid)
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


def run_notebooks(folder, *options):
    """Start the script on all notebooks of a folder, in a process group of its own, as a shell does."""
    paths = map(str, sorted(folder.glob("*.ipynb")))
    return start(ROOT / "scripts" / "run_notebooks.py", "--build", folder / "build", *options, *paths)


def start(*command, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([sys.executable, *command], start_new_session=True, **pipes, **options)


def press_ctrl_c(process, folder):
    """Interrupt a process group while the endless cell runs; return what was printed, and the kernel's id."""
    with process:
        try:
            wait_until((folder / "pid").exists)
            kernel = int((folder / "pid").read_text())
            assert psutil.pid_exists(kernel)
            os.killpg(process.pid, signal.SIGINT)
            return *process.communicate(timeout=30), kernel
        finally:
            process.kill()


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def left_behind(folder):
    return [path.name for path in folder.rglob("*") if path.suffix in (".tmp", ".part") or path.name == "begun"]


def test_each_failure_is_named_and_the_other_notebooks_still_run(tmp_path):
    write_notebook(tmp_path / "1_raises.ipynb", "1 + 1", "1 / 0")
    write_notebook(tmp_path / "2_dies.ipynb", "import os", "os._exit(1)")
    write_notebook(tmp_path / "3_hangs.ipynb", "import time; time.sleep(600)")
    write_notebook(tmp_path / "4_works.ipynb", "6 * 7")
    (tmp_path / "5_is_cut.ipynb").write_text('{"cells": [')
    (tmp_path / "6_is_empty.ipynb").write_text("{}")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}

    process = run_notebooks(tmp_path, "--timeout", "1", "--store")
    printed, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "1_raises.ipynb, cell 3:\n" in errors and "ZeroDivisionError" in errors
    assert "2_dies.ipynb, cell 3:\nos._exit(1)\nDeadKernelError: Kernel died\n" in errors
    assert "3_hangs.ipynb, cell 2:\nA cell timed out while it was being executed, after 1 seconds" in errors
    assert "5_is_cut.ipynb, not a notebook that can be read:\nNotJSONError: " in errors
    assert "6_is_empty.ipynb, not a notebook that can be read:\nValidationError: " in errors
    assert printed.count("FAILED") == 5

    done = nbformat.read(tmp_path / "build" / "4_works.ipynb", as_version=4)
    assert done.cells[1].outputs[0].data["text/plain"] == "42"
    assert (tmp_path / "build" / "4_works.html").exists()
    stored = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert stored == {"4_works.ipynb"}
    assert not left_behind(tmp_path)


def test_ctrl_c_ends_a_run_in_one_line_and_the_next_run_works(tmp_path):
    write_notebook(tmp_path / "a.ipynb", ENDLESS)
    write_notebook(tmp_path / "b.ipynb", "1 + 1")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}

    process = run_notebooks(tmp_path, "--store")
    printed, errors, kernel = press_ctrl_c(process, tmp_path)

    assert process.returncode == 130
    assert printed == "" and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("Interrupted: ")
    assert not psutil.pid_exists(kernel)
    assert not left_behind(tmp_path)
    assert {path: path.read_bytes() for path in before} == before

    process = run_notebooks(tmp_path, "--store")
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert nbformat.read(tmp_path / "b.ipynb", as_version=4).cells[1].outputs


def test_ctrl_c_in_a_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    write = runpy.run_path(str(ROOT / "scripts" / "run_notebooks.py"))["write"]
    write(tmp_path / "a", "old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_ctrl_c_ends_the_tests_and_the_next_run_works(tmp_path):
    write_notebook(tmp_path / "a.ipynb", ENDLESS)
    command = ("-m", "pytest", "--nbval", "--nbval-current-env", "--rootdir", str(tmp_path), str(tmp_path))

    process = start(*command, cwd=tmp_path)
    printed, _, kernel = press_ctrl_c(process, tmp_path)
    assert process.returncode == 2 and "KeyboardInterrupt" in printed  # pytest's status for an interrupt
    assert not psutil.pid_exists(kernel)
    assert not left_behind(tmp_path)

    process = start(*command, cwd=tmp_path)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "1 passed" in printed, printed


def test_ctrl_c_in_a_training_cell_leaves_a_kernel_that_works():
    manager, client = start_new_kernel(extra_arguments=["--log-level=ERROR"])
    try:

        def execute(source, interrupt=False):
            """Return the name of a cell's error or None; the interrupt comes once the cell has printed."""

            def on_output(message):
                if interrupt and message["msg_type"] == "stream":
                    time.sleep(0.2)
                    manager.interrupt_kernel()

            reply = client.execute_interactive(source, timeout=60, output_hook=on_output)
            return reply["content"].get("ename")

        assert execute(TRAINING) is None
        # Compiled, 3,000 epochs take a second or two; then the interrupt is heard.
        assert execute("print('go', flush=True); state, history = train(3000)", interrupt=True) == "KeyboardInterrupt"
        assert execute("assert 'history' not in globals(); state, history = train(2)") is None
        assert execute("print('go', flush=True)\nwhile True: step()", interrupt=True) == "KeyboardInterrupt"
        assert execute("assert jax.numpy.isfinite(step()[1])") is None
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


TRAINING = """
import jax
from helpers.training import fit, init_state, sgd, train_step

x = jax.random.normal(jax.random.key(0), (1000, 10))
data, optimizer = (x, x[:, 0]), sgd(0.01)

def loss_fn(params, batch):
    x, y = batch
    return ((x @ params["w"] - y) ** 2).mean()

state = init_state({"w": jax.numpy.zeros(10)}, optimizer)

def train(epochs):
    options = dict(loss_fn=loss_fn, optimizer=optimizer, epochs=epochs, batch_size=10)
    return jax.block_until_ready(fit(jax.random.key(1), state, data, **options))

def step():
    return train_step(state, data, loss_fn=loss_fn, optimizer=optimizer)
"""
