"""The floor: against every attack that plants documents, enumerated; and the share of it that attacks reach."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError
from robustrank.core.ranking import order
from robustrank.core.types import Status
from robustrank.judging import checks
from robustrank.measures.effectiveness import per_query
from robustrank.protocols import floor
from robustrank.results import summary as summaries
from robustrank.work.records import RankingRecord
from robustrank.work.workbench import Workbench

MEASURES = ("nDCG@3", "RR", "AP", "P@2")


def ranking(scores: list[float], grades: dict[str, int], **more: Any) -> RankingRecord:
    """A list in first-stage order: documents a, b, c, ..."""
    ids = [chr(ord("a") + place) for place in range(len(scores))]
    body = {"query_id": "q", "measures": dict.fromkeys(MEASURES, 0.0)} | more
    return RankingRecord(
        ranker="r", collection="home", doc_ids=ids, scores=scores, qrels=grades, judged=1.0, relevant=1, **body
    )


def attacked(record: RankingRecord, planted: int, depth: int) -> Iterator[list[str]]:
    """Every list that so many planted documents can lead to, by their scores in the first stage and of the ranker."""
    first = {doc_id: float(-place) for place, doc_id in enumerate(record.doc_ids)}
    second = dict(zip(record.doc_ids, record.scores, strict=True))
    between = [x + 0.5 for x in sorted({*record.scores, min(record.scores) - 1})]
    stages = [0.5 - place for place in range(len(first) + 1)]
    for of_stage in combinations_with_replacement(stages, planted):
        for of_ranker in product(between, repeat=planted):
            plants = [f"!plant {n}" for n in range(planted)]
            every = {**first, **dict(zip(plants, of_stage, strict=True))}
            handed_on = sorted(every, key=lambda d: -every[d])[:depth]
            scores = {**second, **dict(zip(plants, of_ranker, strict=True))}
            yield order([(doc_id, scores[doc_id]) for doc_id in handed_on])


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_least_of_all_lists_that_planted_documents_can_lead_to(seed: int) -> None:
    rng = Random(seed)
    scores = [float(x) for x in rng.sample(range(20), 4)]
    grades = {doc_id: rng.randrange(3) for doc_id in "abcd"} | {"e": 1}
    depth = 4 + seed % 3  # with room for none, one or two more
    record = ranking(scores, grades)
    computed = floor.least([record], depth, MEASURES, (1, 2))
    for planted in (1, 2):
        lists = [r for k in range(planted + 1) for r in attacked(record, k, depth)]
        values = {m: [per_query([m], {"q": r}, {"q": grades})[m]["q"] for r in lists] for m in MEASURES}
        for measure in MEASURES:
            assert computed[measure]["q"][planted] == pytest.approx(min(values[measure])), (measure, planted)


def test_a_moved_document_does_no_more_harm_than_at_the_worst_place() -> None:
    for seed in range(20):
        rng = Random(seed)
        record = ranking([float(x) for x in rng.sample(range(40), 13)], {c: rng.randrange(4) for c in "abcdefg"})
        target = rng.choice("abcdefghijklm")
        others = [d for d in order(list(zip(record.doc_ids, record.scores, strict=True))) if d != target]
        lists = [[*others[:place], target, *others[place:]] for place in range(13)]
        values = [per_query(["nDCG@10"], {"q": each}, {"q": record.qrels})["nDCG@10"]["q"] for each in lists]
        case = ("r", "home", "q", target)
        assert floor.worst_places({case: record})[case] == pytest.approx(min(values))


def test_a_list_that_could_not_be_ranked_is_open() -> None:
    lists = [ranking([1.0, 0.0], {"a": 1}, measures={"nDCG@3": 1.0}, query_id=str(n)) for n in range(6)]
    (first, *_) = floor._floors(lists, {"home": 2}, ["nDCG@3"])
    assert first.mean.value == pytest.approx(1 / 1.584962500721156)  # the relevant document at rank 2
    assert first.ends is None
    error = {"status": Status.ERROR, "error": "HTTPError: 429"}
    failed = ranking([], {"a": 1}, measures={"nDCG@3": 0.0}, query_id="x", **error)
    (first, *_) = floor._floors([*lists, failed], {"home": 2}, ["nDCG@3"])
    assert (first.tally.errors, first.open) == (1, {"x": (0.0, 1.0)})
    assert first.ends is not None
    assert first.ends.low.value < first.ends.high.value


AUDIT = """
name = "floor"
measures = ["nDCG@10", "WSS@95"]
[[collection]]
name = "home"
use = "scifact"
queries = 12
depth = 20
[[ranker]]
name = "BM25"
use = "bm25"
[[ranker]]
name = "list-wise"
use = "callable"
function = "whole:scores"
pointwise = false
[cases]
queries = 4
[[attack]]
name = "paste"
use = "query_injection"
[[gate]]
name = "holds"
measure = "floor@3"
where = { ranker = "BM25" }
min = 0.01
"""


@pytest.fixture
def whole(tmp_path: Path) -> None:
    """A function whose scores depend on the list."""
    (tmp_path / "whole.py").write_text("def scores(query, texts):\n    return [len(t) / len(texts) for t in texts]\n")


def test_an_audit_has_floors_of_point_wise_rankers_and_the_share_that_attacks_reach(
    tmp_path: Path, whole: None
) -> None:
    spec = audit_file.parse(AUDIT, folder=tmp_path)
    summary = audit.run(spec, tmp_path / "audit")
    result = floor.PROTOCOL.result_in(summaries.read(tmp_path / "audit" / "summary.json"))
    assert [(row.ranker, row.measure, row.planted) for row in result.floors] == [
        ("BM25", "nDCG@10", planted) for planted in (1, 3, 5)
    ]
    clean = next(e for e in summary.effectiveness if (e.ranker, e.measure) == ("BM25", "nDCG@10"))
    values = [row.mean.value for row in result.floors]
    assert [result.floors[0].clean, *values] == sorted([clean.mean.value, *values], reverse=True)
    assert result.without == ["list-wise"]
    (row,) = [row for row in result.realised if row.ranker == "BM25"]
    assert 0 < row.harm <= row.worst
    assert row.share is not None
    assert row.share.value == pytest.approx(row.harm / row.worst)
    (verdict,) = summary.verdicts
    assert verdict.estimate == result.floors[1].mean
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "Not computed for <bdi>list-wise</bdi>" in page


def test_a_gate_on_the_floor_of_a_list_wise_ranker_is_refused(tmp_path: Path, whole: None) -> None:
    text = AUDIT.replace('where = { ranker = "BM25" }', 'where = { ranker = "list-wise" }')
    spec = audit_file.parse(text, folder=tmp_path)
    with pytest.raises(ConfigError, match="floor@3"):
        checks.check_planned(spec.gates, Workbench(spec))
