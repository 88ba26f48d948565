"""The pages of the studies are finished ones, and their figures are drawn from what is committed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "reports").glob("*/README.md"))
WITHOUT = {"defenses", "detection"}
"""Studies whose pages are made by other scripts, and have no figure yet."""
LINES = 80


@pytest.fixture(params=[page for page in STUDIES if page.parent.name not in WITHOUT], ids=lambda page: page.parent.name)
def page(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def test_a_page_has_question_answer_limits_and_the_way_to_make_it_again_in_this_order(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    places = [text.index(part) for part in ("# ", "**Question.**", "**Answer.**", "\n## Limits\n", "\n## Again\n")]
    assert places == sorted(places)


def test_a_page_has_one_figure_with_words_for_it_outside_its_folds(page: Path) -> None:
    figures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", unfolded(page))
    assert [bool(words) for words, _ in figures] == [True]
    assert (page.parent / figures[0][1]).is_file()


def test_a_page_is_short_when_its_folds_are_closed(page: Path) -> None:
    assert len(unfolded(page).splitlines()) <= LINES


def unfolded(page: Path) -> str:
    """What a reader sees who opens no fold."""
    return re.sub(r"<details.*?</details>\n", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_figures_of_the_studies_are_what_their_tables_and_records_say() -> None:
    check = [sys.executable, str(ROOT / "benchmarks" / "study_figures.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tables_of_the_study_of_variants_are_what_its_rows_say() -> None:
    check = [sys.executable, str(ROOT / "benchmarks" / "variants_report.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
