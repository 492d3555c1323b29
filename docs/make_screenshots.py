"""Takes the pictures of the service's page, with the embedded models: `python docs/make_screenshots.py`.

Needs the development packages and Chromium, and the models in place (`pansophy models pull`). The questions are asked
over both example texts in a home that is thrown away; the pictures go to docs/pictures.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from pansophy.settings import home as pansophy_home

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
EXAMPLES = sorted((ROOT / "examples").glob("*.md"))
CORPUS = "examples"
QUESTION = "Where does the key of the plate store hang?"
OTHER = "Who gave the brass key to the pilot?"
DESK = {"width": 1200, "height": 660}
PHONE = {"width": 390, "height": 844}
MODELS_TIMEOUT = 900_000
"""Milliseconds that the embedded models may take for an answer."""


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory() as home, service(Path(home)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport=DESK)
        put_files_in(page)
        first = ask(page, QUESTION, live="page-reading")
        taken(page, "page-answer")
        page.locator(".sources a").first.click()
        expect(page.locator("mark")).to_be_in_viewport()
        taken(page, "page-source")
        second = ask(page, OTHER)
        page.goto(f"/compare?a={first}&b={second}")
        expect(page.locator(".beside section")).to_have_count(2)
        taken(page, "page-compare")
        phone = browser.new_page(base_url=address, viewport=PHONE, color_scheme="dark", device_scale_factor=1)
        phone.goto(f"/q/{first}")
        expect(phone.locator(".answer")).to_be_visible()
        taken(phone, "page-phone")
        browser.close()


@contextmanager
def service(home: Path) -> Iterator[str]:
    """`pansophy serve` with the models that are in place; gives its address."""
    (home / "models").symlink_to(pansophy_home() / "models")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pansophy", "serve", "--port", str(port), "--strategy", "extagents"]
    environment = {**os.environ, "PANSOPHY_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            httpx.Client(transport=httpx.HTTPTransport(retries=50)).get(f"{address}/health/live")
            yield address
        finally:
            process.terminate()
            process.wait(60)


def put_files_in(page: Page) -> None:
    page.goto("/corpora")
    page.get_by_label("Name of a new corpus").fill(CORPUS)
    page.get_by_role("button", name="Make it").click()
    page.locator("input[type=file]").set_input_files(EXAMPLES)
    expect(page.get_by_text("files were added")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Show them").click()
    taken(page, "page-corpus")


def ask(page: Page, question: str, *, live: str | None = None) -> str:
    """Ask on the page and wait for the answer; `live` names a picture to take while it is read. Gives the job's id."""
    page.goto(f"/?corpus={CORPUS}")
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()
    if live:
        expect(page.locator(".cell.found").nth(2)).to_be_visible(timeout=MODELS_TIMEOUT)
        taken(page, live)
    expect(page.locator(".answer")).to_be_visible(timeout=MODELS_TIMEOUT)
    expect(page.get_by_role("status")).to_contain_text("finished", timeout=MODELS_TIMEOUT)
    return page.url.rsplit("/", 1)[-1]


def taken(page: Page, name: str) -> None:
    page.wait_for_timeout(600)  # until what moves has come to rest
    page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
