"""Query likelihood, LambdaMART and late interaction: known answers."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from robustrank.collections import validate
from robustrank.core import plugin_spec
from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Collection, Document, Qrel, Query
from robustrank.plugins import registry
from robustrank.rankers.lambdamart import LambdaMART
from robustrank.rankers.late_interaction import LateInteraction, max_sim
from robustrank.rankers.query_likelihood import QueryLikelihood
from robustrank.rankers.text_features import FEATURES, Statistics, features
from robustrank.testing.sample_lists import check

DOCS = {
    "a": "green apples grow", "b": "apples apples pears", "c": "blue whales swim far",
}  # fmt: skip


def collection() -> Collection:
    docs = {i: Document(i, text) for i, text in DOCS.items()}
    judged = [(1, Qrel("q", "a", 1)), (2, Qrel("q", "c", 0))]
    return validate.collection("small", docs, {"q": Query("q", "green apples")}, judged, "qrels")


def test_query_likelihood_ranks_as_the_formula_of_zhai_and_lafferty() -> None:
    fitted = QueryLikelihood(mu=10).fit(collection())
    scores = fitted.score(Query("q", "apples pears"), [Document("x", DOCS["b"]), Document("y", DOCS["c"])])
    p_apples, p_pears = 3 / 10, 1 / 10  # of ten terms in the collection

    def likelihood(apples: int, pears: int, length: int) -> float:
        return log((apples + 10 * p_apples) / (length + 10)) + log((pears + 10 * p_pears) / (length + 10))

    constant = log(p_apples) + log(p_pears)  # the same for every document
    assert scores == pytest.approx([likelihood(2, 1, 3) - constant, likelihood(0, 0, 4) - constant])


def test_rankers_that_need_statistics_say_so() -> None:
    for ranker in (QueryLikelihood(), LambdaMART()):
        with pytest.raises(ContractError, match="fit"):
            ranker.score(Query("q", "x"), [])
    with pytest.raises(PluginError, match="mu must be above 0"):
        QueryLikelihood(mu=0)
    with pytest.raises(PluginError, match="leaves must be at least 2"):
        LambdaMART(leaves=1)


def test_features_by_hand() -> None:
    statistics = Statistics.of(collection())
    (row,) = features("green apples", ["apples then green apples"], statistics)
    features_by_name = dict(zip(FEATURES, row, strict=True))
    assert (
        features_by_name["matched"],
        features_by_name["matched_share"],
        features_by_name["largest_tf"],
        features_by_name["mean_tf"],
    ) == (2, 1, 2, 1.5)
    assert (features_by_name["first_match"], features_by_name["bigrams"], features_by_name["query_length"]) == (0, 1, 2)
    assert features_by_name["window"] == 1  # "green apples" holds both and is two terms long
    assert features_by_name["length"] == pytest.approx(log(1 + 3))  # "then" is a stop word


def test_features_are_recomputed_from_text_and_are_finite_for_any_text() -> None:
    statistics = Statistics.of(collection())
    rows = features("green apples", ["", "the", "unknown words only", DOCS["a"]], statistics)
    assert np.isfinite(rows).all()
    assert rows.shape == (4, len(FEATURES))
    assert (features("", [DOCS["a"]], statistics)[0, :3] == 0).all()


@pytest.mark.slow
def test_lambdamart_learns_what_its_training_lists_say_and_repeats_it() -> None:
    selqa = registry.build("collection", plugin_spec.parse("selqa(split='dev')")).load()
    ranker = LambdaMART(seed=4, rounds=40)
    fitted, again = ranker.fit(selqa), LambdaMART(seed=4, rounds=40).fit(selqa)
    query = selqa.queries[0]
    docs = [selqa.documents[i] for i in selqa.candidates[query.query_id]]
    assert fitted.score(query, docs) == again.score(query, docs)
    first = [
        max(zip(fitted.score(q, d), [x.doc_id for x in d], strict=True))[1]
        for q in selqa.queries[:60]
        if (d := [selqa.documents[i] for i in selqa.candidates[q.query_id]])
    ]
    right = sum(selqa.qrels[q.query_id].get(i, 0) > 0 for q, i in zip(selqa.queries[:60], first, strict=False))
    assert right > 40  # of its own training lists


def test_the_best_piece_counts_for_every_piece_of_the_query() -> None:
    query = np.array([[1, 0], [0, 1]], dtype=np.float32)
    document = np.array([[0.6, 0.8], [1, 0]], dtype=np.float32)
    assert max_sim(query, document) == pytest.approx(1 + 0.8)
    assert max_sim(query, np.zeros((0, 2), dtype=np.float32)) == 0


def test_the_bundled_backbone_prefers_the_answer_and_says_what_it_lacks() -> None:
    ranker = LateInteraction(max_length=32)
    assert "unprojected" in ranker.card.note
    good, bad = ranker.score(
        Query("q", "who wrote hamlet"),
        [Document("a", "Hamlet is a tragedy by William Shakespeare."), Document("b", "Bananas are rich in potassium.")],
    )
    assert good > bad
    check(ranker)


def test_a_projection_is_applied_where_the_model_has_one(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from safetensors.numpy import save_file
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]", "red", "blue", "."]
    BertTokenizerFast(vocab={word: place for place, word in enumerate(words)}).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path)
    plain = LateInteraction(model=str(tmp_path), max_length=16, query_length=8)
    assert "unprojected" in plain.card.note
    (tmp_path / "1_Dense").mkdir()
    weight = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    save_file({"linear.weight": weight}, tmp_path / "1_Dense" / "model.safetensors")
    projected = LateInteraction(model=str(tmp_path), max_length=16, query_length=9)
    assert projected.card.note == ""
    (score,) = projected.score(Query("q", "red"), [Document("d", "blue red.")])
    assert 0 < score <= 9 + 1e-5  # nine pieces, cosines of at most 1
    check(projected)


@pytest.mark.parametrize("name", ["query_likelihood", "lambdamart"])
def test_edits_change_no_statistics(name: str) -> None:
    fitted = registry.build("ranker", plugin_spec.parse(name)).fit(collection())
    query, docs = Query("q", "green apples"), [Document(i, t) for i, t in DOCS.items()]
    before = fitted.score(query, docs)
    after = fitted.score(query, [docs[0], docs[1]._replace(text="green green green"), docs[2]])
    assert (before[0], before[2]) == (after[0], after[2])
    assert before[1] != after[1]
