"""Builds the documentation site without network: ``python tools/build_site.py OUT``.

The pages are those of the repository, where they lie: a link that works there works on the site. A dead link, a dead
anchor, or a page that no menu leads to is an error, and so is anything that a page would load from another host.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "NOTICE", "docs", "reports", "tests/plugin")
"""What the site is made of; the rest of the repository is no page."""


def main(arguments: list[str]) -> int:
    """Build the site into the folder that is named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python tools/build_site.py OUT\n")
        return 2
    out = Path(arguments[0]).resolve()
    faults = build(out) or [f"{page}: loads {host}" for page, host in outside(out)]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def build(out: Path) -> list[str]:
    """Build it; what is wrong with the pages, a line each."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    from mkdocs.commands.build import build as mkdocs_build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException

    with tempfile.TemporaryDirectory() as folder:
        for source in SOURCES:
            link = Path(folder, source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT / source)
        os.environ["ROBUSTRANK_ROOT"] = str(ROOT)
        config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=folder, site_dir=str(out))
        try:
            mkdocs_build(config)
        except (Abort, MkDocsException) as error:
            return [str(error)]
    return []


class _Loads(HTMLParser):
    """What a page loads by itself; a link that a reader may follow is none of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of a script, image, font or style sheet."""
        values = dict(attrs)
        named = values.get("href") if tag == "link" and values.get("rel") != "canonical" else None
        for address in (named, values.get("src"), values.get("data") if tag == "object" else None):
            if address and re.match(r"(?:https?:)?//", address):
                self.found.append(address)


def outside(site: Path) -> list[tuple[str, str]]:
    """Each page or style sheet that loads something from another host, with the address."""
    found: list[tuple[str, str]] = []
    for page in sorted(site.rglob("*.html")):
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        found += [(str(page.relative_to(site)), address) for address in parser.found]
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        found += [
            (str(sheet.relative_to(site)), address)
            for address in re.findall(r"""(?:@import|url\()\s*["']?((?:https?:)?//[^"')]+)""", text)
        ]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
