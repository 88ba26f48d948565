"""Detectors on documents that people edited to rank higher: ``python benchmarks/edited_documents.py SHARED [OUT]``.

SHARED is the folder with the data set ``asrc2017``, whose authors edited their pages in rounds. Each edited version is
judged in the list of its rivals, and compared with the version before and with clean documents of the bundled
collections. Prints a Markdown table with intervals over queries, and writes the figures to OUT as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robustrank.config import audit_file
from robustrank.config.detection import DETECTORS
from robustrank.core.types import Estimate
from robustrank.measures.detection import placements
from robustrank.protocols.detection.results import named
from robustrank.protocols.detection.thresholds import elsewhere, thresholds, why_none
from robustrank.stats import intervals
from robustrank.work.base import Place
from robustrank.work.clean_documents import drawn, sources
from robustrank.work.detection import CleanDetectionTask, Judge
from robustrank.work.workbench import Workbench

AUDIT = """
name = "edited documents"
measures = ["nDCG@10"]
[[collection]]
name = "asrc2017"
use = "competition"
path = "{}"
first_stage = {{ use = "candidates" }}
[[ranker]]
name = "bm25"
use = "bm25"
[detection]
"""


def main(shared: Path, out: Path | None = None) -> list[dict[str, Any]]:
    """One row for every detector that an audit asks by default."""
    bench = Workbench(audit_file.parse(AUDIT.format(shared.resolve() / "asrc2017")))
    rows = [row(bench, detector.name) for detector in DETECTORS]
    print("| detector | edits | detected at 1 % | detected at 5 % | AUC | edited above the version before |")
    print("|---|---|---|---|---|---|")
    for each in rows:
        cells = [_cell(each[name]) for name in ("1%", "5%", "AUC", "own AUC")]
        print(f"| {each['detector']} | {each['edits']} | {' | '.join(cells)} |")
    if out is not None:
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def row(bench: Workbench, detector: str) -> dict[str, Any]:
    """One detector on all edits that it could tell of, and on clean documents."""
    home = bench.lists("asrc2017")
    place = Place(ranker="bm25", collection="asrc2017", query_id=next(iter(home.queries)))
    clean = [
        CleanDetectionTask(place=place, detector=detector, source=source).perform(bench) for source in sources(bench)
    ]
    others = elsewhere(clean)
    if not others:
        return {"detector": detector, "edits": 0, "missing": why_none(clean), **dict.fromkeys(FIGURES)}
    values = [value for record in others for value in record.values if value is not None]
    limits = thresholds(others)
    judge = Judge(bench, detector, place, drawn(bench, "asrc2017").background)
    documents, cases = home.collection.documents, []
    for edit in home.collection.edits:
        rivals = [documents[doc_id] for doc_id in edit.rivals]
        before = documents[edit.before]
        after = before._replace(text=documents[edit.after].text)
        if edit.query_id in home.queries and after.text != before.text:
            was, now = judge.values(home.queries[edit.query_id], [before, after], rivals)
            if was is not None and now is not None:
                cases.append((edit.query_id, was, now))
    queries = [query for query, _, _ in cases]
    told: dict[str, Sequence[float]] = {
        "AUC": placements([now for _, _, now in cases], values),
        "own AUC": [(now > was) + (now == was) / 2 for _, was, now in cases],
        **{rate: [float(now > limit) for _, _, now in cases] for rate, limit in limits.items()},
    }
    means = intervals.means({name: (each, (0.0, 1.0)) for name, each in told.items()}, clusters=queries)
    return {"detector": detector, "edits": len(cases), "error": judge.error, **means}


FIGURES = (*map(named, (0.01, 0.05)), "AUC", "own AUC")


def _cell(estimate: Estimate | None) -> str:
    return "not told" if estimate is None else f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
