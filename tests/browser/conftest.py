"""A browser for the tests of this folder, and pages that remember everything a harmless file would never do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Watched:
    """A page that remembers everything a harmless file would never do."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str) -> None:
        self.path = path
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self._note("console", message.text))
        self.page.on("pageerror", lambda error: self._note("page error", str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("popup", lambda popup: self._note("popup", popup.url))
        self.page.on("framenavigated", lambda frame: self._asked(frame.url))
        self.page.on("dialog", self._dialog)

    def open(self, html: str, *, fragment: str = "", unfold: bool = True) -> Any:
        """Open a document, with everything folded in it unfolded."""
        self.path.write_text(html, encoding="utf-8")
        self.page.goto(self.path.as_uri() + fragment, wait_until="load")
        if unfold:
            self.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
        if self.page.evaluate("window.pwned") is not None:
            self._note("ran", "window.pwned is set")
        return self.page

    def _note(self, what: str, text: str) -> None:
        self.wrong.append(f"{what}: {text}")

    def _asked(self, url: str) -> None:
        if url.partition("#")[0] not in (self.path.as_uri(), "about:blank", "data:,"):
            self._note("request", url)

    def _dialog(self, dialog: Any) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def watch(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Opens watched pages; they close with the test."""
    opened: list[Watched] = []

    def start(width: int = 1400, scheme: str = "light") -> Watched:
        opened.append(Watched(browser, tmp_path / "report.html", width, scheme))
        return opened[-1]

    yield start
    for watched in opened:
        watched.page.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as it lies in a package of the test extra."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
