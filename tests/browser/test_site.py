"""Each page of the site on a phone and on a wide screen, in light and in dark."""

import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

SITE = Path("build/html")
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
# What sticks out on the right. Code, outputs and tables may scroll in boxes of their own, pictures may not.
STICKS_OUT = """[...document.querySelectorAll('article, article *')]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .filter(e => e.matches('img') || !e.parentElement.closest('pre, .output, .table-wrapper'))
  .map(e => e.outerHTML.slice(0, 100))"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    """Serve the site on this machine; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(chromium, site):
    with chromium.new_context(viewport={"width": 1440, "height": 900}, base_url=site) as context:
        yield context.new_page()


def test_there_are_pages():
    assert "index.html" in PAGES and len(PAGES) > len(NOTEBOOKS), "build the site first, with make html"


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("path", PAGES)
def test_page_fits_and_loads_nothing_from_elsewhere(path, width, page, site):
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path, wait_until="networkidle")
    page.evaluate(OPEN_ALL)
    assert [url for url in requests if not url.startswith((site, "data:"))] == []
    assert errors == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate(STICKS_OUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_text_has_a_contrast_of_at_least_4_5(path, scheme, page):
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    page.evaluate(OPEN_ALL)
    options = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
    violations = Axe().run(page, options=options).response["violations"]
    assert [node["failureSummary"] for rule in violations for node in rule["nodes"]] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_all_there(path, page):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", [])]
    outputs = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    formulas = re.findall(r"\$[^$]+\$", re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL))
    page.goto(f"notebooks/{path.stem}.html")
    folded = page.locator("article details").evaluate_all("all => all.map(e => e.open)")
    hidden = ["hide-input" in cell.metadata.get("tags", []) for cell in code]
    assert folded == [False] * (sum(hidden) + len(re.findall("^#+ Solution", prose, flags=re.MULTILINE)))

    page.evaluate(OPEN_ALL)
    inputs = page.locator("article .cell_input pre").all_text_contents()
    assert [text.split() for text in inputs] == [cell.source.split() for cell in code]
    heights = page.locator("article math").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
    assert len(heights) == len(formulas) and all(heights)
    figures = page.locator("article img")
    assert figures.evaluate_all("all => all.every(e => e.naturalWidth > 0)")
    assert figures.evaluate_all("all => all.map(e => e.alt)") == [
        output.metadata["image/png"]["alt"] for output in outputs
    ]
