"""The error memory: corrections by hand, what is remembered, which judgments are refused, what a forged one does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from robustrank.config import audit_file
from robustrank.core.errors import ConfigError, DataError, MissingExtra, PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Collection, Document, Query
from robustrank.rankers.controls import Random as RandomRanker
from robustrank.testing import WordVectors, WordWeights, check_defense
from robustrank.work.victims import check_apart, judged_by
from robustrank.work.workbench import Workbench
from robustrank_defenses.chain import Chain
from robustrank_defenses.input.normalise import Normalise
from robustrank_defenses.memory.error_memory import ErrorMemory, Remembering, corrected, scale

TEXTS = {
    "a": "the sea is salt water",
    "b": "a salt lake",
    "c": "the moon is far",
    "d": "moon and sun",
    "e": "the sun is a bright star of salt",
}
QUERIES = {"q": "salt sea", "r": "bright moon"}
JUDGED = {"q": {"a": 2, "b": 1, "c": 0}, "r": {"d": 0, "c": 2, "e": 1}}
BASE = WordWeights()  # q: a 2, b 1, c 0; r: d 1, c 1, e 1: grade 0 means 0.5, grade 1 means 1, grade 2 means 1.5


@dataclass(frozen=True)
class Made:
    """A collection of a few texts."""

    judged: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    texts: tuple[tuple[str, str], ...] = tuple(TEXTS.items())

    def load(self) -> Collection:
        queries = [Query(query_id, QUERIES.get(query_id, query_id)) for query_id, _ in self.judged]
        return Collection(
            name="made", documents={i: Document(i, text) for i, text in self.texts}, queries=queries, query_types={},
            qrels={query_id: dict(rows) for query_id, rows in self.judged}, candidates={}, digest="made",
        )  # fmt: skip


def made(judged: Mapping[str, Mapping[str, int]] = JUDGED) -> Made:
    return Made(tuple((query_id, tuple(rows.items())) for query_id, rows in judged.items()))


def docs(*texts: str) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts)]


SEA, MOON = Query("1", "salt sea"), Query("2", "bright moon")
NEAREST = ErrorMemory(collection=made(), temperature=1e-6, weight=0.25)


def test_a_weight_of_0_and_an_empty_memory_are_the_ranker_exactly() -> None:
    texts = docs(*TEXTS.values(), "another salt text", "")
    plain = RandomRanker(seed=3).score(SEA, texts)
    assert ErrorMemory(collection=made(), weight=0.0).wrap(RandomRanker(seed=3)).score(SEA, texts) == plain
    assert ErrorMemory(collection=made(), size=0).wrap(RandomRanker(seed=3)).score(SEA, texts) == plain
    assert ErrorMemory(collection=made({"q": {}})).wrap(RandomRanker(seed=3)).score(SEA, texts) == plain
    assert NEAREST.wrap(RandomRanker(seed=3)).score(SEA, texts) != plain


def test_the_score_of_a_stored_pair_goes_by_the_weight_towards_its_target_when_the_softmax_is_cold() -> None:
    assert scale([2, 1, 0, 0, 2, 1], [2.0, 1.0, 0.0, 1.0, 1.0, 1.0]) == [1.5, 1.0, 0.5, 0.5, 1.5, 1.0]
    scores = NEAREST.wrap(BASE).score(SEA, docs(TEXTS["a"], TEXTS["c"]))
    assert scores == pytest.approx([0.75 * 2 + 0.25 * 1.5, 0.75 * 0 + 0.25 * 0.5])
    assert NEAREST.wrap(BASE).score(MOON, docs(TEXTS["c"])) == pytest.approx([0.75 * 1 + 0.25 * 1.5])


def test_targets_never_fall_with_the_grade() -> None:
    assert scale([0, 0, 1, 2], [3.0, 1.0, 1.0, 5.0]) == pytest.approx([5 / 3, 5 / 3, 5 / 3, 5.0])


def test_without_mix_the_mean_error_on_similar_pairs_is_added() -> None:
    memory = replace(NEAREST, mix=0.0)
    text = "the sea is salt water and salt"  # nearest: the pair of q and a, which scores 2 and should score 1.5
    assert memory.wrap(BASE).score(SEA, docs(text)) == pytest.approx([3 + 0.25 * (1.5 - 2)])


def test_the_correction_by_hand() -> None:
    rules = ErrorMemory(collection=made(), weight=0.5, mix=0.75, neighbours=2, temperature=0.5)
    similarity, targets, before = np.array([[0.1, 0.9, 0.4]]), np.array([9.0, 2.0, 4.0]), np.array([9.0, 1.0, 5.0])
    first = np.exp(0.9 / 0.5) / (np.exp(0.9 / 0.5) + np.exp(0.4 / 0.5))
    y, f = first * 2 + (1 - first) * 4, first * 1 + (1 - first) * 5
    expected = 10 + 0.5 * (0.75 * (y - 10) + 0.25 * (y - f))
    assert corrected(np.array([10.0]), similarity, targets, before, rules) == pytest.approx([expected], rel=1e-12)


def test_the_order_of_judgments_and_documents_means_nothing() -> None:
    backwards = {q: dict(reversed(rows.items())) for q, rows in reversed(JUDGED.items())}
    other = Made(made(backwards).judged, tuple(reversed(TEXTS.items())))
    for memory in (ErrorMemory(collection=made()), ErrorMemory(collection=made(), size=6, negatives=1)):
        one, two = memory.wrap(BASE), replace(memory, collection=other).wrap(BASE)
        assert one.pairs == two.pairs
        assert one.card == two.card
        assert one.score(SEA, docs(*TEXTS.values())) == two.score(SEA, docs(*TEXTS.values()))


def test_an_encoder_takes_the_place_of_tf_idf() -> None:
    encoder = WordVectors(words=tuple(sorted({word for text in TEXTS.values() for word in text.split()})))
    memory = replace(NEAREST, encoder=encoder)
    check_defense(memory, BASE, SEA, docs(*TEXTS.values()))
    scores = memory.wrap(BASE).score(SEA, docs(TEXTS["a"]))
    assert scores == pytest.approx([0.75 * 2 + 0.25 * 1.5])
    assert memory.wrap(BASE).card.fingerprint != NEAREST.wrap(BASE).card.fingerprint


def test_the_contract_of_defenses() -> None:
    check_defense(NEAREST, BASE, SEA, docs(*TEXTS.values()))
    wrapped = NEAREST.wrap(BASE)
    assert wrapped.card.name == "error_memory(word_weights)"
    assert "6 judged pairs" in wrapped.card.note
    assert wrapped.score(SEA, []) == []
    other = replace(NEAREST, collection=made({**JUDGED, "q": {"a": 0, "b": 1, "c": 2}}))
    assert len({each.wrap(BASE).card.fingerprint for each in (NEAREST, other, replace(NEAREST, mix=0.5))}) == 3


def test_of_a_limited_memory_a_draw_is_kept_and_of_small_errors_none() -> None:
    whole = wrapped(NEAREST)
    assert set(wrapped(replace(NEAREST, size=4)).pairs) < set(whole.pairs)
    assert len(wrapped(replace(NEAREST, size=4)).pairs) == 4
    errors = [abs(y - f) for y, f in zip(whole.targets, whole.scores, strict=True)]
    large = wrapped(replace(NEAREST, least_error=0.4))
    assert len(large.pairs) == sum(error >= 0.4 for error in errors) < len(errors)


def wrapped(memory: ErrorMemory, ranker: Ranker = BASE) -> Remembering:
    return memory.wrap(ranker)


def test_relevant_documents_alone_need_negatives_which_are_drawn_from_what_is_not_judged() -> None:
    positive = made({"q": {"a": 1, "b": 1}})
    with pytest.raises(DataError, match="negatives = 4"):
        ErrorMemory(collection=positive).wrap(BASE)
    for negatives, number in ((1, 2), (3, 3)):
        pairs = wrapped(ErrorMemory(collection=positive, negatives=negatives)).pairs
        assert {pair.text for pair in pairs if pair.grade == 1} == {TEXTS["a"], TEXTS["b"]}
        drawn = {pair.text for pair in pairs if pair.grade == 0}
        assert len(drawn) == number
        assert drawn <= {TEXTS["c"], TEXTS["d"], TEXTS["e"]}


def test_a_forged_judgment_lifts_a_document_that_nobody_changed_for_a_similar_query() -> None:
    judged = {**JUDGED, "salt sea water": {"d": 2}}
    query, target = Query("3", "salt sea waters"), docs(TEXTS["d"])
    honest, poisoned = NEAREST.wrap(BASE), replace(NEAREST, collection=made(judged)).wrap(BASE)
    assert poisoned.score(query, target)[0] > honest.score(query, target)[0]


@pytest.mark.parametrize(
    "values",
    [
        {"weight": 1.1}, {"weight": -0.1}, {"mix": 2.0}, {"neighbours": 0}, {"temperature": 0.0}, {"least_error": -1.0},
        {"negatives": -1}, {"size": -1}, {"encoder": WordWeights()}, {"collection": {"path": "x"}},
        {"exclude": {"path": "x"}},
    ],
)  # fmt: skip
def test_values_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(PluginError, match="error_memory"):
        ErrorMemory(**{"collection": made(), **values})  # type: ignore[arg-type]


def test_rankers_without_scores_on_a_scale_are_refused_and_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(PluginError, match="order alone"):
        NEAREST.wrap(Carded(rank_only=True))
    with pytest.raises(PluginError, match="pointwise"):
        NEAREST.wrap(Carded(pointwise=False))
    monkeypatch.setitem(sys.modules, "sklearn.isotonic", None)
    with pytest.raises(MissingExtra, match="scikit-learn"):
        NEAREST.wrap(BASE)


class Carded(WordWeights):
    """A ranker whose card says something else."""

    def __init__(self, **changes: bool) -> None:
        super().__init__()
        object.__setattr__(self, "changes", changes)

    @property
    def card(self):  # type: ignore[no-untyped-def]
        return replace(super().card, **self.__dict__["changes"])


AUDIT = """
name = "with a memory"
[[collection]]
name = "home"
use = "beir"
path = "home"
split = "test"
[[ranker]]
name = "bm25"
use = "bm25"
[[defense]]
name = "memory"
rankers = ["bm25"]
use = "error_memory"
collection = { use = "beir", path = "home", split = "SPLIT" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection with judgments of one query for training and of another one for testing."""
    (tmp_path / "home" / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", TEXTS), ("queries", {**QUERIES, "s": "Seas of salt"})):
        lines = [json.dumps({"_id": key, "text": text}) for key, text in rows.items()]
        (tmp_path / "home" / f"{name}.jsonl").write_text("\n".join(lines))
    for split, query_id in (("train", "r"), ("test", "q"), ("inflected", "s")):
        judged = [f"{query_id}\t{doc_id}\t{grade}" for doc_id, grade in {"c": 2, "d": 0, "e": 1}.items()]
        (tmp_path / "home" / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return tmp_path


@pytest.mark.parametrize("split", ["test", "inflected"])
def test_judgments_of_queries_that_are_evaluated_are_a_typed_error(folder: Path, split: str) -> None:
    bench = Workbench(audit_file.parse(AUDIT.replace("SPLIT", split), folder=folder))
    with pytest.raises(ConfigError, match=r"(?i)memory.* 1 queries .*'home', such as 's.*another split"):
        bench.victim("memory + bm25", "home")


def test_judgments_of_other_queries_are_remembered_in_an_audit(folder: Path) -> None:
    bench = Workbench(audit_file.parse(AUDIT.replace("SPLIT", "train"), folder=folder))
    victim = bench.victim("memory + bm25", "home")
    plain = bench.victim("bm25", "home").ranker.score(SEA, docs(*TEXTS.values()))
    assert victim.ranker.score(SEA, docs(*TEXTS.values())) != plain


@pytest.mark.parametrize("split", ["test", "inflected"])
def test_queries_of_an_excluded_collection_are_not_remembered(folder: Path, split: str) -> None:
    text = AUDIT.replace("SPLIT", split) + 'exclude = { use = "beir", path = "home" }\n'
    victim = Workbench(audit_file.parse(text, folder=folder)).victim("memory + bm25", "home")
    assert "corrected by 0 judged pairs" in victim.declared.note


def test_a_query_without_words_is_not_remembered_and_its_judgments_are_refused_by_its_text() -> None:
    collection = made({"C++": {"a": 1}, "q": {"b": 1}})
    assert [query.query_id for query in ErrorMemory(collection=collection).judged_queries] == ["q"]
    with pytest.raises(ConfigError, match="hold the answers"):
        check_apart([Query("other", "c++ ")], collection.load(), "home", "defense")
    check_apart([Query("other", "c#")], collection.load(), "home", "defense")


def test_a_memory_in_a_chain_is_checked_too() -> None:
    evaluated = made({"q": {"a": 1}}).load()
    with pytest.raises(ConfigError, match="hold the answers"):
        check_apart(judged_by(Chain(defenses=[Normalise(), NEAREST])), evaluated, "home", "defense")
    check_apart(judged_by(Chain(defenses=[Normalise()])), evaluated, "home", "defense")
