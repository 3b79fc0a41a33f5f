"""What the tests in a browser share. `make browser` builds the site first and then runs them."""

import shutil

import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def chromium():
    """Start Chromium without a window: the system's, or else the one that Playwright keeps."""
    installed = filter(None, map(shutil.which, ["chromium", "google-chrome", "chromium-browser"]))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=next(installed, None))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a page. At the end, check that it loaded nothing from elsewhere and that no script failed."""
    pages, requests, errors = [], [], []

    def open_page(address, **options):
        page = chromium.new_page(**options)
        pages.append(page)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address, wait_until="load")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for url in requests if not url.startswith(("file:", "data:", "http://127.0.0.1"))] == []
    assert errors == []
