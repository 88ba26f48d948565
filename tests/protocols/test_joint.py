"""What is left of a list of which all targets are attacked at once, against attacked lists built by hand."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest
from msgspec import structs

from robustrank.core.types import Status
from robustrank.protocols.joint import attacked_at_once
from robustrank.work.records import AttackRecord, RankingRecord
from tests.protocols.test_adversarial import record

IDS = [f"d{rank}" for rank in range(1, 16)]
GRADES = {"d1": 3, "d4": 1, "d12": 2}
CLEAN = RankingRecord(
    ranker="r", collection="home", query_id="q", doc_ids=IDS, scores=[-float(n) for n in range(15)], qrels=GRADES,
    relevant_from=1,
)  # fmt: skip


def attack(doc_id: str, score: float, **more: Any) -> AttackRecord:
    return structs.replace(record("q", 15, 3), doc_id=doc_id, score_after=score, **more)


def ndcg(ranking: list[str]) -> float:
    ideal = sorted(GRADES.values(), reverse=True)
    gain = sum(GRADES.get(doc_id, 0) / log2(n + 2) for n, doc_id in enumerate(ranking[:10]))
    return gain / sum(grade / log2(n + 2) for n, grade in enumerate(ideal))


def test_each_target_has_the_best_score_that_an_attack_gave_it_and_all_count_together() -> None:
    records = [attack("d13", 5.0), attack("d13", 0.5), attack("d15", 0.7), attack("d14", -20.0)]
    left = ["d13", "d15", *IDS[:12], "d14"]
    assert attacked_at_once(records, {"q": CLEAN}) == {"q": pytest.approx(ndcg(left))}
    alone = attacked_at_once(records[2:3], {"q": CLEAN})["q"]
    assert alone == pytest.approx(ndcg(["d15", *IDS[:14]]))
    assert alone > ndcg(left)


def test_a_list_with_an_undecided_attack_or_without_a_clean_ranking_has_no_figure() -> None:
    failed = attack("d15", 5.0, status=Status.ERROR, error="x")
    assert attacked_at_once([attack("d13", 5.0), failed], {"q": CLEAN}) == {}
    assert attacked_at_once([attack("d13", 5.0)], {}) == {}
