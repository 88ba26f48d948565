"""What a training asks its teacher about: sources, made-up queries, windows, lists, the teacher's memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.training import groups, invented
from robustrank.training.batches import Example, collate, plan
from robustrank.training.spec import StageSpec, load
from robustrank.training.teacher import CachedTeacher

TOPICS = ("tides", "volcanoes", "bread", "violins", "glaciers", "compilers")
TRAINING = """
name = "student"
exclude = ["home"]
[student]
model = "somewhere"
[[stage]]
name = "only"
dev = 2
schedule = { epochs = 2 }
[[stage.teacher]]
use = "random"
seed = 3
[[stage.source]]
name = "topics"
path = "home"
split = "train"
[[stage.source]]
name = "invented"
path = "home"
queries = 6
rounds = 2
"""


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training file beside a collection of sixty passages, twelve questions to learn from and one test question."""
    home = tmp_path / "home"
    (home / "qrels").mkdir(parents=True)
    passages = [
        {"_id": f"{topic}{i}", "title": f"About {topic}", "text": f"Where do {topic} number {i} begin? Near place {i}."}
        for topic in TOPICS
        for i in range(10)
    ]
    queries = (("1", "beginnings"), ("2", "places"))
    questions = [{"_id": f"{topic}-{i}", "text": f"{topic} {word}"} for topic in TOPICS for i, word in queries]
    questions.append({"_id": "held", "text": "Beginning of TIDES"})
    (home / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    (home / "queries.jsonl").write_text("\n".join(map(json.dumps, questions)))
    header, train = "query-id\tcorpus-id\tscore\n", [f"{t}-{i}\t{t}{i}\t1" for t in TOPICS for i in (1, 2)]
    (home / "qrels" / "train.tsv").write_text(header + "\n".join(train) + "\n")
    (home / "qrels" / "test.tsv").write_text(header + "held\ttides1\t1\n")
    file = tmp_path / "training.toml"
    file.write_text(TRAINING)
    return file


def stage_of(training: Path) -> tuple[StageSpec, set[str]]:
    spec = load(training)
    (stage,) = spec.stages
    assert isinstance(stage, StageSpec)
    return stage, groups.forbidden_keys(spec.exclude)


def test_groups_are_the_same_in_every_run_and_the_development_set_is_apart(training: Path) -> None:
    stage, exclude = stage_of(training)
    learnt, measured = groups.build(stage, exclude, 13)
    assert (learnt, measured) == groups.build(stage, exclude, 13)
    assert learnt != groups.build(stage, exclude, 14)[0]
    assert len(measured) == 2
    assert not {group.query for group in measured} & {group.query for group in learnt}
    assert len(learnt) == 11 - 2 + 6


def test_a_limit_of_pairs_keeps_the_first_groups_of_the_same_order(training: Path) -> None:
    stage, exclude = stage_of(training)
    learnt, measured = groups.build(stage, exclude, 13)
    limit = sum(len(group.texts) for group in learnt[:5]) + 1
    fewer, same = groups.build(replace(stage, pairs=limit), exclude, 13)
    assert (fewer, same) == (learnt[:5], measured)


def test_a_test_query_is_not_learnt_from_in_another_order_or_inflection_either(training: Path) -> None:
    stage, exclude = stage_of(training)
    queries = {group.query for part in groups.build(stage, exclude, 13) for group in part}
    assert "tides beginnings" not in queries  # "Beginning of TIDES" is a test query
    assert "tides places" in queries


def test_a_query_has_candidates_from_all_over_the_ranking(training: Path) -> None:
    stage, exclude = stage_of(training)
    learnt, _ = groups.build(stage, exclude, 13)
    (group,) = [g for g in learnt if g.query == "volcanoes places"]
    ours = [text for text in group.texts if "volcanoes" in text]
    assert len(group.texts) == len(set(group.texts))
    assert 0 < len(ours) < len(group.texts)


def test_a_window_is_the_text_itself_or_begins_where_a_sentence_does() -> None:
    text = "One two three. Four five six. Seven eight nine ten."
    assert groups.window(text, 100, Random(1)) == text
    cut = {groups.window(text, 4, Random(seed)) for seed in range(50)}
    assert cut == {"One two three. Four", "Four five six. Seven", "Seven eight nine ten."}


def test_a_made_up_query_is_of_the_passages_own_words() -> None:
    text = "Glaciers carve valleys slowly. Why do glaciers retreat in warm summers? Sediment remains."
    frequencies = invented.document_frequencies([text])
    made = {invented.query(text, frequencies, Random(seed)) for seed in range(80)}
    assert "why do glaciers retreat in warm summers?" in made
    assert len(made) > 20
    frame = {word for dress in invented._FRAMES for word in dress.split()}
    text_words = set(text.lower().replace(".", "").replace("?", "").split())
    assert {word.rstrip("?") for query in made if query for word in query.split()} <= frame | text_words
    assert invented.query("Yes. No.", frequencies, Random(1)) is None


def test_rare_words_are_in_queries_more_often_than_common_ones() -> None:
    frequencies = dict.fromkeys(("quasar", "light", "star", "sky"), 1) | {"light": 400, "sky": 400}
    words = [(word, frequencies[word]) for word in ("quasar", "light", "star", "sky")]
    drawn = [word for seed in range(300) for word, _ in invented._rarest(words, Random(seed))[:5]]
    assert drawn.count("quasar") > drawn.count("light")


@dataclass
class Counting:
    """Scores by length and records the texts it scored."""

    card: RankerCard = field(default_factory=lambda: RankerCard(name="counting", fingerprint="1"))
    scored: list[str] = field(default_factory=list)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.scored += [doc.text for doc in docs]
        return [float(len(query.text) + len(doc.text)) for doc in docs]


def test_a_teacher_scores_a_pair_once_across_processes(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    assert CachedTeacher(first, tmp_path / "t.sqlite").scores("q", ["a", "bb", "a"]) == [2.0, 3.0, 2.0]
    assert first.scored == ["a", "bb"]
    assert CachedTeacher(second, tmp_path / "t.sqlite").scores("q", ["bb", "ccc"]) == [3.0, 4.0]
    assert second.scored == ["ccc"]


def test_scores_of_another_teacher_or_another_split_of_the_same_letters_are_not_reused(tmp_path: Path) -> None:
    CachedTeacher(Counting(), tmp_path / "t.sqlite").scores("q", ["ab"])
    other = Counting(card=RankerCard(name="counting", fingerprint="2"))
    CachedTeacher(other, tmp_path / "t.sqlite").scores("q", ["ab"])
    same = Counting()
    CachedTeacher(same, tmp_path / "t.sqlite").scores("qa", ["b"])
    assert (other.scored, same.scored) == (["ab"], ["b"])


def test_a_teacher_whose_scores_depend_on_the_list_is_refused(tmp_path: Path) -> None:
    listwise = Counting(card=RankerCard(name="listwise", fingerprint="1", pointwise=False))
    with pytest.raises(PluginError, match="pointwise"):
        CachedTeacher(listwise, tmp_path / "t.sqlite")


def example(*lengths: int) -> Example:
    ids = tuple(np.arange(1, length + 1, dtype=np.int32) for length in lengths)
    return Example(ids, tuple(np.zeros_like(row) for row in ids), tuple(float(n) for n in lengths))


def test_an_epoch_holds_every_document_once_and_no_list_of_one() -> None:
    examples = [example(*range(3, 3 + n)) for n in (2, 5, 9, 13)]
    batches = plan(examples, size=4, lists=3, rng=Random(5))
    lists = [item for batch in batches for item in batch]
    assert sorted((n, p) for n, places in lists for p in places) == [
        (n, p) for n, e in enumerate(examples) for p in range(len(e.ids))
    ]
    assert all(2 <= len(places) <= 5 for _, places in lists)
    assert batches == plan(examples, size=4, lists=3, rng=Random(5))


def test_a_batch_pads_short_texts_behind_a_mask_and_short_lists_behind_nan() -> None:
    batch = collate([example(2, 4), example(3, 3, 3)], [(0, (1, 0)), (1, (0, 1, 2))], pad=0)
    assert batch.inputs["input_ids"].shape == (6, 4)
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == [4, 2, 4, 3, 3, 3]
    assert batch.inputs["input_ids"][1].tolist() == [1, 2, 0, 0]
    assert batch.targets[0, :2].tolist() == [4.0, 2.0]
    assert batch.targets.isnan().tolist() == [[False, False, True], [False, False, False]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epoch = 2", "unknown key 'epoch'; did you mean 'epochs'"),
        ("dev = 2", "dev = 0", "dev must be at least 1"),
        ('name = "invented"', 'name = "topics"', "a name of its own"),
        ("rounds = 2", "candidates = [1, 2]", "4 counts of candidates"),
        ('model = "somewhere"', "max_length = 9", "needs 'model'"),
        ('name = "student"', "", "needs 'name'"),
        ("rounds = 2", "rounds = ", "not valid TOML"),
    ],
)
def test_a_training_file_with_a_fault_is_refused_with_the_fix(training: Path, old: str, new: str, message: str) -> None:
    training.write_text(training.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load(training)
    with pytest.raises(ConfigError, match="no such training file"):
        load(training.with_name("other.toml"))
