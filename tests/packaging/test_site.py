"""The documentation site builds without network, and its links, anchors and menus lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "tools" / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as the command of the README builds it, where no other host can be reached."""
    out = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, str(ROOT / "tools" / "build_site.py"), str(out)]
    done = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_has_its_place_on_the_site(site: Path) -> None:
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("reports/**/README.md")]
    missing = [page for page in pages if not (site / built(page.relative_to(ROOT))).is_file()]
    assert missing == []


def built(page: Path) -> Path:
    return page.with_name("index.html") if page.stem == "README" else page.with_suffix(".html")


def test_figures_and_reports_are_on_the_site(site: Path) -> None:
    for file in ("docs/images/report.png", "reports/default/report.html", "reports/topics/boost-1.svg"):
        assert (site / file).is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gone](no-such-page.md)", "no-such-page.md"),
        ("[gone](docs/gates.md#no-such-part)", "no-such-part"),
        ("![gone](docs/images/no-such-image.png)", "no-such-image.png"),
        ("[gone](no-such-folder/)", "no-such-folder"),
    ],
)
def test_a_dead_link_in_the_readme_fails_the_build(tmp_path: Path, text: str, said: str) -> None:
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "tools", root / "tools")
    for folder in ("docs", "reports", "tests/plugin"):
        (root / folder).mkdir(parents=True)
    (root / "README.md").write_text(f"# Home\n\n[fine](docs/gates.md#gates) {text}\n")
    (root / "docs" / "gates.md").write_text("# Gates\n")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "NOTICE"):
        (root / name).touch()
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[0]
    pages = ("README.md", "docs/gates.md", "CHANGELOG.md", "CONTRIBUTING.md")
    (root / "mkdocs.yml").write_text(f"{settings}\nnav: [{', '.join(pages)}]\n")
    command = [sys.executable, str(root / "tools" / "build_site.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "with 1 warnings" in done.stderr  # and nothing else is wrong


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<img src="http://images.example/a.png">',
    ],
)
def test_what_a_page_loads_from_another_host_is_seen(tmp_path: Path, page: str) -> None:
    (tmp_path / "fine.html").write_text('<a href="https://example.org">a link</a><script src="own.js"></script>')
    assert tool().outside(tmp_path) == []
    (tmp_path / "page.html").write_text(page)
    assert [name for name, _ in tool().outside(tmp_path)] == ["page.html"]


def test_a_font_of_another_host_is_seen_in_a_style_sheet(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }")
    assert tool().outside(tmp_path) == [("a.css", "https://fonts.example/a.woff2")]
