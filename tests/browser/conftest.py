"""What the tests in a browser share. `make browser` builds the site first and then runs them."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def chromium():
    """Chromium without a window: the system's, or else the one that Playwright keeps."""
    installed = filter(None, map(shutil.which, ["chromium", "google-chrome", "chromium-browser"]))
    with sync_playwright() as playwright:
        path = next(installed, playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.exit(
                "make browser needs Chromium: install it with apt install chromium, "
                "or where there is no such package with .venv/bin/playwright install chromium",
                returncode=1,
            )
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()
