"""The bundled cross-encoder and bi-encoder: known answers, independence of the batch, int8 against float32."""

from __future__ import annotations

import threading
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest

from robustrank.collections.beir import Beir
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Document, Query
from robustrank.core.words import words
from robustrank.measures import effectiveness
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.cross_encoder import CrossEncoder, _load, _tensors
from robustrank.rankers.models.batching import by_length
from robustrank.retrieval.first_stage import first_stage

QUERY = Query("q", "what is the capital of france")
DOCS = [
    Document("1", "Paris is the capital and largest city of France."),
    Document("2", "Lyon is a large city in France, known for its food."),
    Document("3", "Bananas are yellow and rich in potassium."),
    Document("4", "The capital of Germany is Berlin. " * 30),
    Document("5", ""),
]


@pytest.fixture(scope="module")
def cross_encoder() -> CrossEncoder:
    return CrossEncoder()


@pytest.fixture(scope="module")
def bi_encoder() -> BiEncoder:
    return BiEncoder()


def test_the_bundled_cross_encoder_knows_the_answer(cross_encoder: CrossEncoder) -> None:
    scores = cross_encoder.score(QUERY, DOCS)
    assert scores[0] == max(scores) > 8
    assert scores[2] < -8


def test_segment_ids_reach_the_model(cross_encoder: CrossEncoder) -> None:
    backend: Any = cross_encoder._backend
    (pair,) = backend.tokenizer.encode(QUERY.text, [DOCS[0].text])
    right, wrong = backend._logit(pair), backend._logit(pair._replace(segments=[0] * len(pair.ids)))
    assert abs(right - wrong) > 1


def test_a_score_does_not_depend_on_the_other_documents(cross_encoder: CrossEncoder, bi_encoder: BiEncoder) -> None:
    together = cross_encoder.score(QUERY, DOCS)
    assert [cross_encoder.score(QUERY, [doc])[0] for doc in DOCS] == together  # to the bit
    assert cross_encoder.score(QUERY, DOCS[::-1]) == together[::-1]
    alone = [BiEncoder(batch=1).score(QUERY, [doc])[0] for doc in DOCS]
    assert alone == pytest.approx(bi_encoder.score(QUERY, DOCS), abs=1e-5)


def test_the_int8_model_scores_on_as_many_threads_as_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    _load.cache_clear()
    before = set(threading.enumerate())
    CrossEncoder().score(QUERY, [Document(str(n), "a text to score " * 9) for n in range(24)])
    assert len(set(threading.enumerate()) - before) == 3
    _load.cache_clear()


def test_the_dequantised_model_agrees_with_the_int8_model(cross_encoder: CrossEncoder) -> None:
    import torch

    backend: Any = cross_encoder._backend
    with torch.inference_mode():
        pairs = backend.tokenizer.encode(QUERY.text, [doc.text for doc in DOCS])
        twin = [float(backend.torch_model(**_tensors([pair], backend.torch_model)).logits) for pair in pairs]
    assert np.corrcoef(twin, cross_encoder.score(QUERY, DOCS))[0, 1] > 0.999


@pytest.mark.parametrize("kind", ["cross", "bi"])
def test_gradients_point_from_an_unrelated_word_to_a_relevant_one(
    kind: str, cross_encoder: CrossEncoder, bi_encoder: BiEncoder
) -> None:
    ranker = cross_encoder if kind == "cross" else bi_encoder
    doc = Document("d", "Paris is the big place of Germany, they say.")
    position = [word.text for word in words(doc.text)].index("Germany")
    gradients = ranker.gradients(QUERY, doc, {position: ["France", "banana"]})
    assert len(gradients.importance) == len(words(doc.text))
    assert gradients.gains[position][0] > gradients.gains[position][1]


def test_words_beyond_the_length_limit_have_no_gradient(cross_encoder: CrossEncoder) -> None:
    doc = Document("d", "word " * 400)
    gradients = cross_encoder.gradients(QUERY, doc, {399: ["other"]})
    assert gradients.importance[0] > 0
    assert gradients.importance[399] == 0
    assert gradients.gains[399] == [0.0]


def test_batches_are_by_length_and_hold_everything_once() -> None:
    batches = list(by_length([3, 9, 1, 9, 5], 2))
    assert batches == [[1, 3], [4, 0], [2]]


@pytest.mark.slow
def test_dl19_reranked_by_the_cross_encoder_reaches_the_known_ndcg(
    shared_data: Path, cross_encoder: CrossEncoder
) -> None:
    dl19 = Beir(path=str(shared_data / "msmarco-dl19"), qrels="qrels_full/test.tsv", run="bm25", relevant=2).load()
    lists = first_stage(Plugin(use="candidates"), dl19, dl19.queries, 100)
    rankings = {}
    for query in dl19.queries:
        docs = [dl19.documents[doc_id] for doc_id in lists[query.query_id]]
        scores = cross_encoder.score(query, docs)
        rankings[query.query_id] = order([(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)])
    values = effectiveness.per_query(["nDCG@10"], rankings, dl19.qrels)["nDCG@10"]
    assert len(values) == 43
    assert 0.71 <= mean(values.values()) <= 0.73  # 0.718 was measured; published for this family about 0.72 to 0.74
