"""Each notebook in the real JupyterLab, run from top to bottom as a reader would, and its panel's slider moved."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # keep all cells on the page, seen or not
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture
def lab(tmp_path):
    """Start JupyterLab on copies of the notebooks without outputs; yield a function from a name to an address."""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, tmp_path / path.name)
    for name, values in SETTINGS.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    token = secrets.token_hex()
    address = f"http://127.0.0.1:{port}/lab"
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={tmp_path}", "--no-browser", f"--port={port}"]
    command += ["--ip=127.0.0.1", "--ServerApp.port_retries=0", *(["--allow-root"] if os.getuid() == 0 else [])]
    folders = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = os.environ | {"JUPYTER_TOKEN": token} | {key: str(tmp_path / name) for key, name in folders.items()}
    log = tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as server:
        try:
            wait_for(f"{address}?token={token}", server, log)
            yield lambda name: f"{address}/tree/{name}?token={token}"
        finally:
            server.terminate()


def wait_for(address, server, log):
    for _ in range(120):
        try:
            return urllib.request.urlopen(address).close()
        except OSError:
            assert server.poll() is None, f"JupyterLab did not start:\n{log.read_text()}"
            time.sleep(0.5)
    raise TimeoutError(f"JupyterLab did not answer within a minute:\n{log.read_text()}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_jupyterlab(path, lab, chromium, tmp_path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(lab(path.name))
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=120_000)

    start = time.perf_counter()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")  # those of folded cells are on the page, too
    prompts.filter(has_text=re.compile(r"[*\d]")).first.wait_for(state="attached")
    while any("*" in text for text in prompts.all_text_contents()):
        assert time.perf_counter() - start < 600, f"still running: {prompts.all_text_contents()}"
        time.sleep(0.5)
    print(f"\n{path.stem}: {len(code)} cells in {time.perf_counter() - start:.0f} s", end="")

    with page.expect_response(lambda response: response.request.method == "PUT"):
        page.keyboard.press("Control+s")
    cells = [cell for cell in nbformat.read(tmp_path / path.name, as_version=4).cells if cell.cell_type == "code"]
    assert [output.evalue for cell in cells for output in cell.outputs if output.output_type == "error"] == []
    assert [cell.execution_count for cell in cells] == list(range(1, len(code) + 1))

    panel = page.locator(".jupyter-widgets img")
    assert panel.count() == ("show_panel(" in path.read_text(encoding="utf-8"))
    if panel.count():
        move_slider(page, panel)
    sizes = page.locator(".jp-OutputArea img").evaluate_all("all => all.map(e => e.naturalWidth * e.naturalHeight)")
    assert len(sizes) == figures + panel.count() and all(sizes)
    page.close()


def move_slider(page, panel):
    """Press an arrow on the panel's first slider, and wait for another picture."""
    before = panel.get_attribute("src")
    start = time.perf_counter()
    page.locator(".jupyter-widgets .noUi-handle").first.press("ArrowLeft")
    changed = "before => (document.querySelector('.jupyter-widgets img')?.src ?? before) != before"
    page.wait_for_function(changed, arg=before)
    print(f", slider to picture {time.perf_counter() - start:.2f} s", end="")
