"""Lists from judgments: where positives and negatives come from, what a filter drops, what a selection model reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import pytest

from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Document, Query, RankerCard
from robustrank.retrieval.analysis import query_keys
from robustrank.training import judged
from robustrank.training.judged_spec import FilterSpec, JudgedSpec, JudgedStageSpec
from robustrank.training.spec import load
from robustrank.training.teacher import CachedTeacher

DOCUMENTS = [f"d{number}" for number in range(10)]
RUN = ["d9", "d0", "d1", "d2", "d3", "d4", "d5"]
"""Of query q; d0 and d1 are relevant."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "qrels").mkdir(parents=True)
    passages = [json.dumps({"_id": doc_id, "text": f"word {doc_id} here"}) for doc_id in DOCUMENTS]
    (folder / "corpus.jsonl").write_text("\n".join(passages))
    queries = [{"_id": "q", "text": "word question"}, {"_id": "other", "text": "another thing"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    rows = ["query-id\tcorpus-id\tscore", "q\td0\t1", "q\td1\t2", "q\td7\t0", "other\td3\t1"]
    (folder / "qrels" / "train.tsv").write_text("\n".join(rows) + "\n")
    lines = [f"q Q0 {doc_id} 0 {-rank} t" for rank, doc_id in enumerate(RUN)] + ["other Q0 d3 0 1 t"]
    (folder / "dense.trec").write_text("\n".join(lines) + "\n")
    return folder


def spec(home: Path, **options: object) -> JudgedSpec:
    run = Plugin(use="run", params={"path": str(home / "dense.trec")})
    defaults = JudgedSpec(name="home", path=str(home), first_stage=run, positives=5, negatives=9)
    return replace(defaults, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ByNumber:
    """Scores d3 as 3."""

    @property
    def card(self) -> RankerCard:
        return RankerCard(name="number", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [float(doc.text.split()[1][1:]) - 0.5 for doc in docs]


def lists(home: Path, judged_spec: JudgedSpec, seed: int = 1, evidence: bool = False) -> dict[str, set[str]]:
    """Of query q: the positive of each list, and its negatives."""
    judged_lists = learnt(home, judged_spec, seed)
    assert all(bool(each.evidence) == evidence for each in judged_lists)
    return {
        name(each.texts[0]): set(map(name, each.texts[1:])) for each in judged_lists if each.query == "word question"
    }


def learnt(home: Path, judged_spec: JudgedSpec, seed: int = 1) -> list[judged.Judged]:
    stage = JudgedStageSpec(name="only", judged=(judged_spec,), dev=1)
    made = judged.build(stage, set(), seed, lambda _: CachedTeacher(ByNumber(), home / "t.sqlite"))
    return [each for part in made for each in part]


def name(text: str) -> str:
    return text.split()[1]


def test_hard_negatives_are_the_retrievers_best_without_the_relevant_ones(home: Path) -> None:
    expected = set(RUN) - {"d0", "d1"}
    assert lists(home, spec(home)) == {"d0": expected, "d1": expected}


def test_a_window_of_ranks_leaves_out_what_is_before_and_behind_it(home: Path) -> None:
    assert lists(home, spec(home, ranks=(4, 6)))["d0"] == {"d2", "d3", "d4"}


def test_random_negatives_come_from_the_whole_collection_judged_irrelevant_ones_too(home: Path) -> None:
    negatives = lists(home, spec(home, first_stage=None))
    assert negatives["d0"] == set(DOCUMENTS) - {"d0", "d1"}


def test_no_more_positives_and_negatives_than_requested_and_the_same_in_every_run(home: Path) -> None:
    judged_spec = spec(home, positives=1, negatives=2)
    runs = [lists(home, judged_spec, seed) for seed in (*range(12), *range(12))]
    assert runs[:12] == runs[12:]
    assert {len(negatives) for run in runs for negatives in run.values()} == {2}
    assert {tuple(run) for run in runs} == {("d0",), ("d1",)}


def test_a_query_with_nothing_to_set_against_its_positive_makes_no_list(home: Path) -> None:
    assert all(each.query == "word question" for each in learnt(home, spec(home)))  # the run of "other" is d3 alone


def test_the_filter_drops_what_the_teacher_scores_near_the_positive_or_above(home: Path) -> None:
    """d1 scores 0.5, d0 -0.5: 95 % of these are 0.475 and -0.525."""
    rule = FilterSpec(plugin=Plugin(use="number"), share=0.95)
    judged_spec = spec(home, first_stage=None, filter=rule)
    assert lists(home, judged_spec) == {}
    fewer = replace(rule, share=None, ceiling=3.0)
    assert lists(home, replace(judged_spec, filter=fewer))["d0"] == {"d2", "d3"}
    both = replace(rule, share=0.95, ceiling=3.0)
    assert lists(home, replace(judged_spec, filter=both)) == {}


@pytest.mark.parametrize(
    ("rule", "positive", "limit"),
    [
        ({"share": 0.95}, 10.0, 9.5),
        ({"share": 0.95}, -10.0, -10.5),
        ({"ceiling": 0.1}, 10.0, 0.1),
        ({"share": 0.5, "ceiling": 3.0}, 4.0, 2.0),
    ],
)
def test_a_negative_must_stay_below_the_share_and_below_the_ceiling(
    rule: dict[str, float], positive: float, limit: float
) -> None:
    assert judged._limit(FilterSpec(plugin=Plugin(use="number"), **rule), positive) == pytest.approx(limit)


def test_evidence_is_whether_and_where_a_retriever_found_a_document_and_never_its_text(home: Path) -> None:
    run = Plugin(use="run", params={"path": str(home / "dense.trec")})
    judged_spec = spec(home, first_stage=None, evidence=(run,))
    (each,) = [each for each in learnt(home, judged_spec) if name(each.texts[0]) == "d0"]
    by = dict(zip(map(name, each.texts), each.evidence, strict=True))
    assert by["d0"][:2] == pytest.approx((1.0, log(2) / log(101)))  # second in the run
    assert by["d9"][:2] == (1.0, 0.0)
    assert by["d8"][:2] == (0.0, 1.0)  # not retrieved
    assert all(row[3] == pytest.approx(log(4) / 10) for row in by.values())  # three words each
    assert {len(row) for row in by.values()} == {4}


def test_a_test_query_makes_no_list(home: Path) -> None:
    stage = JudgedStageSpec(name="only", judged=(spec(home, first_stage=None),), dev=1)
    forbidden = set(query_keys([Query("x", "questions of words")]))
    teacher = lambda _: CachedTeacher(ByNumber(), home / "t.sqlite")  # noqa: E731
    assert {each.query for part in judged.build(stage, forbidden, 1, teacher) for each in part} == {"another thing"}


FILE = """
name = "student"
[student]
model = "somewhere"
[[stage]]
name = "labels"
dev = 2
loss = "pairwise"
[stage.selection]
temperature = 2.0
[[stage.judged]]
name = "home"
path = "home"
queries = 9
first_stage = { use = "run", path = "dense.trec" }
ranks = [1, 30]
filter = { use = "random", seed = 1, share = 0.95 }
evidence = [{ use = "bm25" }]
"""


def test_a_training_file_tells_of_judgments_samplers_and_selection(tmp_path: Path) -> None:
    file = tmp_path / "training.toml"
    file.write_text(FILE)
    (stage,) = load(file).stages
    assert isinstance(stage, JudgedStageSpec)
    (source,) = stage.judged
    assert source.path == str(tmp_path / "home")
    assert source.first_stage == Plugin(use="run", params={"path": str(tmp_path / "dense.trec")})
    assert source.filter == FilterSpec(plugin=Plugin(use="random", params={"seed": 1}), share=0.95)
    assert source.evidence == (Plugin(use="bm25"),)
    assert stage.selection is not None
    assert stage.selection.temperature == 2.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ranks = [1, 30]", "ranks = [0, 30]", "the first is 1"),
        ("ranks = [1, 30]", "ranks = [30]", "ranks must be a list of 2 values"),
        ("ranks = [1, 30]", "negatives = 12", "size"),
        (", share = 0.95", "", "`share`"),
        ("evidence = [", "evidences = [", "did you mean 'evidence'"),
        ('evidence = [{ use = "bm25" }]', "", "needs evidence"),
        ('loss = "pairwise"', 'loss = "listwise"', "weights pairs"),
        ('loss = "pairwise"', 'loss = "hinge"', "pairwise, listwise"),
        ("temperature = 2.0", "temperature = 0", "above 0"),
        ("temperature = 2.0", "labelled = 1.0", "a probability"),
        ("dev = 2", "dev = 0", "dev must be at least 1"),
    ],
)
def test_a_stage_of_judgments_with_a_fault_is_refused_with_the_fix(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / "training.toml"
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load(file)


def test_the_example_of_the_documentation_is_a_training_file() -> None:
    spec = load(Path(__file__).parents[2] / "docs" / "examples" / "from-judgments.toml")
    (stage,) = spec.stages
    assert isinstance(stage, JudgedStageSpec)
    assert stage.selection is not None
    assert len(stage.judged[0].evidence) == 2
