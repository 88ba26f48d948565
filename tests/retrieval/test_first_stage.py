"""The first stage finds what published figures, and the formula written out, say it finds."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from math import isnan, log
from pathlib import Path
from statistics import mean

import bm25s
import pytest
from Stemmer import Stemmer

from robustrank.collections.beir import Beir
from robustrank.collections.bundled import SciFact
from robustrank.core.errors import ConfigError, DataError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query
from robustrank.measures import effectiveness
from robustrank.retrieval.analysis import analyze
from robustrank.retrieval.first_stage import first_stage, with_scores
from robustrank.retrieval.lexical import K1, B

BM25 = Plugin(use="bm25")


def tiny(texts: dict[str, str], candidates: dict[str, Sequence[str]] | None = None) -> Collection:
    return Collection(
        name="tiny",
        documents={doc_id: Document(doc_id, text) for doc_id, text in texts.items()},
        queries=(Query("q", "cats sleeping"),),
        qrels={"q": {"a": 1}},
        query_types={},
        candidates=candidates or {},
        digest="",
    )


def test_a_gpu_is_not_taken_for_bm25(tmp_path: Path) -> None:
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("")
    (tmp_path / "jax" / "lax.py").write_text("raise SystemError('out of memory')")
    code = (
        "import jax, sys; from robustrank.retrieval.analysis import analyze; "
        "print(analyze(['cats']), sys.modules['jax'] is jax)"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[['cat']] True\n", "")


def test_bm25_on_bundled_scifact_reaches_the_known_figures() -> None:
    scifact = SciFact().load()
    run = first_stage(BM25, scifact, scifact.queries, 100)
    values = effectiveness.per_query(["nDCG@10", "RR@10", "R@100"], run, scifact.qrels)
    # Anserini's flat BM25 has nDCG@10 0.6789 and R@100 0.9253, with another tokenisation.
    assert mean(values["nDCG@10"].values()) == pytest.approx(0.6762, abs=0.00005)
    assert mean(values["RR@10"].values()) == pytest.approx(0.6413, abs=0.00005)
    assert mean(values["R@100"].values()) == pytest.approx(0.9127, abs=0.00005)


def test_the_shipped_dl19_run_has_its_published_ndcg_exactly(shared_data: Path) -> None:
    folder = shared_data / "msmarco-dl19"
    dl19 = Beir(path=str(folder), qrels="qrels_full/test.tsv", run="bm25", relevant=2).load()
    run = first_stage(Plugin(use="candidates"), dl19, dl19.queries, 100)
    values = effectiveness.per_query(["nDCG@10"], run, dl19.qrels)["nDCG@10"]
    assert len(values) == 43
    assert round(mean(values.values()), 4) == 0.5058
    given = Plugin(use="run", params={"path": str(folder / "runs" / "bm25.trec.gz")})
    assert first_stage(given, dl19, dl19.queries, 100) == run


def test_bm25_orders_by_the_formula_written_out() -> None:
    texts = {"a": "cats sleep", "b": "cats and dogs sleep, sleep all day long", "c": "a cat", "d": "", "e": "dogs bark"}
    analyzed = dict(zip(texts, analyze(list(texts.values())), strict=True))
    mean_length = mean(map(len, analyzed.values()))

    def score(doc_id: str) -> float:
        total = 0.0
        for term in ("cat", "sleep"):
            df = sum(term in words for words in analyzed.values())
            tf = analyzed[doc_id].count(term)
            norm = K1 * (1 - B + B * len(analyzed[doc_id]) / mean_length)
            total += log(1 + (len(texts) - df + 0.5) / (df + 0.5)) * tf / (tf + norm)
        return total

    doc_ids = first_stage(BM25, tiny(texts), [Query("q", "cats sleeping")], 5)["q"]
    assert doc_ids == sorted("abc", key=score, reverse=True)


def test_ties_at_the_cut_go_by_the_declared_rule() -> None:
    texts = dict.fromkeys("abcde", "cats") | {"f": "dogs"}
    assert first_stage(BM25, tiny(texts), [Query("q", "cats")], 3) == {"q": ["e", "d", "c"]}


def test_a_query_that_matches_nothing_finds_nothing() -> None:
    queries = [Query("q", "the"), Query("r", "unheard")]
    assert first_stage(BM25, tiny({"a": "cats"}), queries, 3) == {"q": [], "r": []}


def test_a_collection_without_words_is_refused() -> None:
    with pytest.raises(DataError, match="no document has a word"):
        first_stage(BM25, tiny({"a": "", "b": "-"}), [Query("q", "x")], 3)


def test_analysis_is_that_of_bm25s() -> None:
    texts = ["The Cats were running, running!", "", "Größe naïve x 3.14 e-mail ΑΣ", "don't_stop IT"]
    theirs = bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer("english"), return_ids=False, show_progress=False)
    assert analyze(texts) == theirs
    assert analyze(texts[:2]) == [["cat", "were", "run", "run"], []]


def test_bm25s_stays_quiet() -> None:
    analyze(["x"])
    assert logging.getLogger("bm25s").level == logging.WARNING


def test_a_run_of_another_collection_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 2.0 t\nq Q0 stranger 2 1.0 t\n", encoding="utf-8")
    given = Plugin(use="run", params={"path": str(tmp_path / "run")})
    here = tiny({"a": "cats"})
    assert first_stage(given, here, here.queries, 1) == {"q": ["a"]}
    with pytest.raises(DataError, match="run: query 'q' lists document 'stranger', unknown to collection 'tiny'"):
        first_stage(given, here, here.queries, 2)


def test_scores_are_those_of_the_search_or_the_run_and_nan_where_there_are_none(tmp_path: Path) -> None:
    collection = tiny({"a": "a cat sleeps", "b": "cats", "c": "dogs"}, {"q": ["c", "a"]})
    query = collection.queries[0]
    scored = with_scores(BM25, collection, [query], 10)["q"]
    assert [doc_id for doc_id, _ in scored] == first_stage(BM25, collection, [query], 10)["q"] == ["a", "b"]
    assert scored[0][1] > scored[1][1] > 0
    (tmp_path / "own.trec").write_text("q Q0 b 1 0.5 t\nq Q0 c 2 7 t\n")
    run = Plugin(use="run", params={"path": str(tmp_path / "own.trec")})
    assert with_scores(run, collection, [query], 10) == {"q": [("c", 7.0), ("b", 0.5)]}
    assert with_scores(run, collection, [query], 1) == {"q": [("c", 7.0)]}
    without = with_scores(Plugin(use="candidates"), collection, [query], 10)["q"]
    assert [doc_id for doc_id, _ in without] == ["c", "a"]
    assert all(isnan(score) for _, score in without)


def test_candidates_keep_their_order_and_must_be_there() -> None:
    here = tiny({"a": "cats", "b": "dogs"}, {"q": ("b", "a")})
    assert first_stage(Plugin(use="candidates"), here, here.queries, 5) == {"q": ["b", "a"]}
    with pytest.raises(DataError, match="comes without candidates"):
        first_stage(Plugin(use="candidates"), tiny({"a": "cats"}), here.queries, 5)


@pytest.mark.parametrize(
    ("plugin", "depth", "message"),
    [
        (Plugin(use="bm52"), 10, r"no first stage named 'bm52' \(have: bm25, candidates, dense, judged, run\)"),
        (Plugin(use="bm25", params={"k3": 1}), 10, r"unknown parameter 'k3' \(has: none\)"),
        (Plugin(use="run"), 10, "needs 'path'"),
        (Plugin(use="run", params={"path": 3}), 10, "path must be text, not 3"),
        (BM25, 0, "depth must be at least 1, not 0"),
    ],
)
def test_wrong_first_stages_are_refused_with_the_fix(plugin: Plugin, depth: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        first_stage(plugin, tiny({"a": "cats"}), [Query("q", "x")], depth)
