"""Each notebook in the real JupyterLab, run from top to bottom as a reader would, and its panel's slider moved."""

import json
import os
import re
import subprocess
import sys
import time
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

    names = {"JUPYTER_RUNTIME_DIR": "run", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "spaces"}
    folders = {variable: str(tmp_path / name) for variable, name in names.items()}
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={tmp_path}", "--no-browser", "--ip=127.0.0.1"]
    command += ["--port=0", *(["--allow-root"] if os.getuid() == 0 else [])]
    log = tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(command, env=os.environ | folders, stdout=file, stderr=file) as server:
        try:
            while not (found := list((tmp_path / "run").glob("jpserver-*.json"))):  # where it says its address
                assert server.poll() is None, f"JupyterLab did not start:\n{log.read_text()}"
                time.sleep(0.5)
            address = json.loads(found[0].read_text())
            yield lambda name: f"{address['url']}lab/tree/{name}?token={address['token']}"
        finally:
            server.terminate()


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
