"""Each page of the site: on a phone, a laptop and a wide screen, in light and in dark."""

import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from tools import NOTEBOOKS, code_cells

SITE = Path("build/html")
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
# What sticks out on the right. Code, outputs and tables may scroll in boxes of their own, pictures may not.
STICKS_OUT = """[...document.querySelectorAll('article, article *')]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .filter(e => e.matches('img') || !e.parentElement.closest('pre, .output, .table-wrapper'))
  .map(e => e.outerHTML.slice(0, 100))"""
CUT = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"


@pytest.fixture(scope="module")
def site():
    """Serve the site on this machine; yield its address."""
    assert "index.html" in PAGES, "build the site first, with make html"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=SITE)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1440, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_page_fits_the_screen_and_is_accessible(path, width, scheme, open_page, site):
    page = open_page(f"{site}/{path}", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate(STICKS_OUT) == []
    rules = {"scrollable-region-focusable": {"enabled": False}}  # browsers let the keyboard reach these by themselves
    violations = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"], "rules": rules}).response["violations"]
    assert [(rule["id"], node["html"]) for rule in violations for node in rule["nodes"]] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_all_there_and_no_code_is_cut_on_a_laptop(path, open_page, site):
    notebook = nbformat.read(path, as_version=4)
    code = code_cells(notebook)
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    solutions = [cell for cell in notebook.cells if re.match("#+ Solution", cell.source)]
    page = open_page(f"{site}/notebooks/{path.stem}.html", viewport={"width": 1280, "height": 800})
    folded = page.locator("article details").evaluate_all("all => all.map(e => e.open)")
    assert folded == [False] * (len(code_cells(notebook, "hide-input")) + len(solutions))
    assert page.locator("article .cell:not(.tag_hide-input) > .cell_input pre").evaluate_all(CUT) == []

    page.evaluate(OPEN_ALL)
    inputs = page.locator("article .cell_input pre").all_text_contents()
    assert [text.split() for text in inputs] == [cell.source.split() for cell in code]
    figures = page.locator("article img")
    assert figures.evaluate_all("all => all.every(e => e.naturalWidth > 0)")
    assert figures.evaluate_all("all => all.map(e => e.alt)") == [
        picture.metadata["image/png"]["alt"] for picture in pictures
    ]
    assert page.locator("article math").evaluate_all("all => all.every(e => e.getBoundingClientRect().height > 0)")
