"""A real browser, and a service with a page for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=15_000)
ROOT = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def running_site(home: Path, *arguments: str) -> Iterator[str]:
    """The service in a process of its own; gives its address."""
    environment = {**os.environ, "PANSOPHY_HOME": str(home)}
    command = [sys.executable, "-m", "tests.server.page.site", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = f"http://127.0.0.1:{int(process.stdout.readline())}"
            httpx.Client(transport=httpx.HTTPTransport(retries=20)).get(f"{address}/health/live")
            yield address
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open for one module alone: while it is, Playwright's own event loop runs here, and no other can."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (on Debian and Ubuntu: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service without keys that the tests of a module share; each uses corpora of its own."""
    with running_site(tmp_path_factory.mktemp("site")) as address:
        yield address


class Visit:
    """A page of the browser that takes note of what goes wrong in it and of what it asks other machines for."""

    def __init__(self, browser: Browser, site: str, **options: Any) -> None:
        self.site = site
        self.context = browser.new_context(base_url=site, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.outside.append(request.url)

    def close(self) -> None:
        self.context.close()
        assert not self.errors
        assert not self.outside


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Visit]:
    visit = Visit(browser, site)
    yield visit
    visit.close()


def filled(site: str, corpus: str, texts: dict[str, str], **options: Any) -> None:
    """Make a corpus with these texts through the API."""
    with httpx.Client(base_url=site, timeout=30, **options) as client:
        assert client.post("/api/v1/corpora", json={"name": corpus}).status_code == 201
        files = [("files", (name, text.encode())) for name, text in texts.items()]
        assert client.post(f"/api/v1/corpora/{corpus}/documents", files=files).status_code == 201
