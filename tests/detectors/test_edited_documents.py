"""Detectors on documents that people edited: the benchmark runs, and its figures are of real edits."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "edited_documents.py"


@pytest.mark.slow
def test_every_detector_is_told_of_peoples_edits(shared_data: Path, tmp_path: Path) -> None:
    rows = runpy.run_path(str(BENCHMARK))["main"](shared_data, tmp_path / "edited.json")
    assert json.loads((tmp_path / "edited.json").read_text())[0]["detector"] == rows[0]["detector"]
    for row in rows:
        assert row["edits"] > 300 or "missing" in row
        if row["edits"]:
            assert row["AUC"].n <= 31
            assert 0 <= row["1%"].value <= row["5%"].value <= 1
