"""The first stage finds what published figures say it finds."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from robustrank import measures
from robustrank.collections.beir import Beir
from robustrank.collections.bundled import SciFact, SelQA
from robustrank.config import Plugin
from robustrank.errors import ConfigError
from robustrank.retrieval import analyze, first_stage


def test_bm25_on_bundled_scifact_reaches_the_known_figures() -> None:
    scifact = SciFact().load()
    assert (len(scifact.documents), len(scifact.queries)) == (5183, 300)
    run = first_stage(Plugin(use="bm25"), scifact, scifact.queries, 100)
    found = measures.per_query(["nDCG@10", "RR@10", "R@100"], run, scifact.qrels)
    # Anserini's flat BM25 has 0.6789 and 0.9253; bm25s has these.
    assert mean(found["nDCG@10"].values()) == pytest.approx(0.6762, abs=0.0005)
    assert mean(found["RR@10"].values()) == pytest.approx(0.6413, abs=0.0005)
    assert mean(found["R@100"].values()) == pytest.approx(0.9127, abs=0.0005)


def test_the_shipped_dl19_run_has_its_published_ndcg_exactly(shared_data: Path) -> None:
    dl19 = Beir(path=str(shared_data / "msmarco-dl19"), qrels="qrels_full/test.tsv", run="bm25", relevant=2).load()
    run = first_stage(Plugin(use="candidates"), dl19, dl19.queries, 100)
    found = measures.per_query(["nDCG@10"], run, dl19.qrels)["nDCG@10"]
    assert len(found) == 43
    assert round(mean(found.values()), 4) == 0.5058


def test_analysis_lowers_stems_and_drops_stop_words() -> None:
    assert analyze(["The Cats were running, running!", ""]) == [["cat", "were", "run", "run"], []]


def test_wrong_first_stages_are_refused_with_the_right_ones() -> None:
    selqa = SelQA(split="dev").load()
    with pytest.raises(ConfigError, match=r"no first stage named 'bm52' \(have: bm25, candidates, run\)"):
        first_stage(Plugin(use="bm52"), selqa, selqa.queries, 10)
    with pytest.raises(ConfigError, match="unknown parameter 'k3'"):
        first_stage(Plugin(use="bm25", params={"k3": 1}), selqa, selqa.queries, 10)
    with pytest.raises(ConfigError, match="needs `path`"):
        first_stage(Plugin(use="run"), selqa, selqa.queries, 10)
