"""The committed studies: their figures are those that today's code makes of their committed records."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "topic_reports.py"))
STUDIES = sorted(path.parent for path in (ROOT / "reports" / "topics").rglob("summary.json"))


def test_there_are_studies() -> None:
    assert len(STUDIES) == 7


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_committed_summary_follows_from_its_records(folder: Path) -> None:
    _, changes = TOOL["again"](folder)
    assert changes == []
