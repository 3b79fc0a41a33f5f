"""Each notebook in the real JupyterLab: run from top to bottom, its sliders moved, its pad drawn on."""

import json
import os
import re
import subprocess
import sys
import time

import nbformat
import pytest

from tools import NOTEBOOKS, code_cells

SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # keeps all cells on the page, seen or not
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
CHANGED = "before => (document.querySelector('.jupyter-widgets img')?.src ?? before) != before"


@pytest.fixture
def lab(tmp_path):
    """Start JupyterLab in a folder of its own; yield a function from a file's name to its address."""
    for name, values in SETTINGS.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    names = {"JUPYTER_RUNTIME_DIR": "run", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "spaces"}
    env = os.environ | {variable: str(tmp_path / name) for variable, name in names.items()}
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={tmp_path}", "--no-browser", "--ip=127.0.0.1"]
    command += ["--port=0", *(["--allow-root"] if os.getuid() == 0 else [])]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as server:
        try:
            while not (found := list((tmp_path / "run").glob("jpserver-*.json"))):  # where it says its address
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            address = json.loads(found[0].read_text())
            yield lambda name: f"{address['url']}lab/tree/{name}?token={address['token']}"
        finally:
            server.terminate()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_jupyterlab(path, lab, chromium, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    figures = sum("image/png" in output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs)
    panels = sum("interact(" in cell.source for cell in code_cells(notebook))
    for cell in code_cells(notebook):
        cell.outputs = []
    nbformat.write(notebook, tmp_path / path.name)
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(lab(path.name))
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=120_000)  # until the kernel is there
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    prompts.filter(has_text=re.compile(r"[*\d]")).first.wait_for(state="attached")
    deadline = time.monotonic() + 600
    while any("*" in text for text in prompts.all_text_contents()):
        assert time.monotonic() < deadline, f"still running: {prompts.all_text_contents()}"
        time.sleep(0.5)

    with page.expect_response(lambda response: response.request.method == "PUT"):
        page.keyboard.press("Control+s")
    saved = [cell for cell in nbformat.read(tmp_path / path.name, as_version=4).cells if cell.cell_type == "code"]
    assert [output.evalue for cell in saved for output in cell.outputs if output.output_type == "error"] == []
    assert [cell.execution_count for cell in saved] == list(range(1, len(saved) + 1))

    picture = page.locator(".jupyter-widgets img")
    assert picture.count() == panels
    for handle in page.locator(".jupyter-widgets .noUi-handle").all():
        before = picture.get_attribute("src")
        at_its_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemin")
        handle.press("ArrowRight" if at_its_end else "ArrowLeft")
        page.wait_for_function(CHANGED, arg=before)
    assert page.locator(".jp-OutputArea img").count() == figures
    if page.locator(".paper").count():
        page.locator(".paper").click()
        for key in ["Delete", *["ArrowUp"] * 4, *["Shift+ArrowDown"] * 12]:  # keys that JupyterLab has uses for
            page.keyboard.press(key)
        page.locator(".answer", has_text=re.compile("^1, ")).wait_for()
    page.close()
