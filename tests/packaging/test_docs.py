"""Pages that are written by a tool are up to date, and links between pages lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from robustrank.config import audit_file
from robustrank.config.tables import read_as, toml
from robustrank.judging import checks
from robustrank.training.variants import VariantsSpec

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_plugins_and_figures_in_the_docs_are_those_declared() -> None:
    check = [sys.executable, str(ROOT / "tools" / "write_docs.py"), "--check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_audit_files_and_files_of_variants_shown_in_pages_are_valid(page: Path) -> None:
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if block.startswith("name =") and "[[variant]]" in block:
            read_as(VariantsSpec, toml(block, page.name), page.name)
        elif block.startswith("name ="):
            checks.check(audit_file.parse(block, where=page.name))


def test_the_plugins_shown_are_those_of_the_sample_package() -> None:
    text = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    sample = ROOT / "tests" / "plugin"
    for file in ("term_echo.py", "first_words.py", "shouting.py"):
        assert (sample / "robustrank_sample" / file).read_text(encoding="utf-8") in text
    protocol = (ROOT / "docs" / "writing-a-protocol.md").read_text(encoding="utf-8")
    assert (sample / "robustrank_sample" / "ties.py").read_text(encoding="utf-8") in protocol
    entry_points = (sample / "pyproject.toml").read_text(encoding="utf-8").partition("[project.entry-points")
    assert "".join(entry_points[1:]) in text


def test_the_test_shown_passes() -> None:
    text = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    attack, operation, _, _, test = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = f"{attack}\n{operation}\n{test}\ntest_an_echo_lifts_a_document_to_the_top()\n"
    subprocess.run([sys.executable, "-c", code], check=True)
