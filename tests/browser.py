"""Real Chromium for tests: find it, start it, and record what a page must not do.

`chromium()` yields a running browser or skips the test with a clear line; a module's
fixture usually keeps one for all its tests. `open_page(browser, allow=[...])` yields a
Visit: a fresh page, the addresses it asked for in vain, and the errors it reported.
"""

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = (  # where the installers of macOS and Windows put it
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("file:", "data:", "blob:", "about:")


@dataclass
class Visit:
    """An open page, with the addresses outside `allow` and the errors it caused."""

    page: object
    external: list = field(default_factory=list)
    errors: list = field(default_factory=list)


def find_chromium():
    """Path of an installed Chromium or Chrome; None where there is none."""
    named = os.environ.get("COURSE_CHROMIUM")
    candidates = [named] if named else [*map(shutil.which, NAMES), *PLACES]
    return next((path for path in candidates if path and Path(path).is_file()), None)


def skip_or_fail(reason):
    """Skip the test, or fail it where COURSE_REQUIRE_BROWSER says it has to run."""
    if os.environ.get("COURSE_REQUIRE_BROWSER"):
        pytest.fail(f"{reason} (COURSE_REQUIRE_BROWSER is set)", pytrace=False)
    pytest.skip(reason)


def chromium_or_skip():
    """Path of Chromium; skips the test with a clear line where it is missing."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        skip_or_fail("browser tests need playwright: pip install -r requirements.txt")
    path = find_chromium()
    if path is None:
        skip_or_fail(
            "browser tests need Chromium or Chrome: apt-get install chromium, "
            "or set COURSE_CHROMIUM to its program file"
        )
    return path


@contextmanager
def chromium():
    """A running headless Chromium (a Playwright browser)."""
    path = chromium_or_skip()
    from playwright.sync_api import sync_playwright

    root = sys.platform == "linux" and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, *(["--no-sandbox"] if root else [])]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser, *, allow=(), width=1280, height=720):
    """A fresh page that cannot reach the network, as a Visit.

    Requests that are not local and do not start with an address in `allow` are
    refused and listed in `external`; console errors, uncaught exceptions and
    answers of 400 and above are listed in `errors`.
    """
    context = browser.new_context(viewport={"width": width, "height": height})
    visit = Visit(None)

    def gate(route):
        if route.request.url.startswith((*LOCAL, *allow)):
            return route.continue_()
        visit.external.append(route.request.url)
        return route.abort()

    def watch(page):
        page.on("pageerror", lambda error: visit.errors.append(f"uncaught: {error}"))
        page.on("console", console)
        page.on("response", response)

    def console(message):
        if message.type == "error":
            visit.errors.append(f"console: {message.text}")

    def response(answer):
        if answer.status >= 400:
            visit.errors.append(f"{answer.status}: {answer.url}")

    context.route("**/*", gate)
    context.on("page", watch)
    visit.page = context.new_page()
    try:
        yield visit
    finally:
        context.close()
