"""Metrics of topic attacks, what a victim shows of itself, and studies from the file to the summary."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from robustrank.core.errors import ConfigError
from robustrank.core.progress import Silent
from robustrank.core.topic_types import TopicBudget
from robustrank.core.types import Document, Query, Status
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.plugins import registry
from robustrank.storage import journal
from robustrank.topics import curves, report, results, scene, spec, study
from robustrank.topics.metrics import Outcome, qsr
from robustrank.topics.records import FORMAT, TopicRecord


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=8), st.randoms())
def test_metrics_do_not_depend_on_the_order_of_queries(ranks: list[tuple[int, int]], rng: Random) -> None:
    mixed = list(ranks)
    rng.shuffle(mixed)
    one, other = (Outcome(tuple(b for b, _ in r), tuple(a for _, a in r)) for r in (ranks, mixed))
    assert one.promoted() == other.promoted()
    assert one.worst_boost == other.worst_boost
    assert one.mean_boost == pytest.approx(other.mean_boost)
    assert one.entered(10) == other.entered(10)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5), min_size=1, max_size=5)
)
def test_qsr_falls_with_the_share_asked_for(targets: list[list[tuple[int, int]]]) -> None:
    outcomes = [Outcome(tuple(b for b, _ in r), tuple(a for _, a in r)) for r in targets]
    falling = [qsr(outcomes, share) for share in (1e-9, 0.25, 0.5, 0.75, 1.0)]
    assert falling == sorted(falling, reverse=True)
    # The weakest requirement: success for any query at all.
    assert falling[0] >= sum(any(b > 0 for b in o.boosts) for o in outcomes) / len(outcomes) - 1e-12


@pytest.fixture
def topic_file(tmp_path: Path) -> Path:
    """Ten documents about fruit and ships; the questions about either are a topic."""
    words_of = {"fruit": "apple pear plum cherry grape", "ship": "mast sail anchor rudder keel"}
    documents, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for topic, text in words_of.items():
        for number, word in enumerate(text.split()):
            documents.append({"_id": f"{topic}-{number}", "text": f"about {word} and {topic} and more {topic} words"})
            queries.append({"_id": f"q-{topic}-{number}", "text": f"which {topic} is a {word}"})
            qrels.append(f"q-{topic}-{number}\t{topic}-{number}\t1")
    documents.append({"_id": "other", "text": "a rock is no fruit and no ship"})
    lines = {"corpus.jsonl": documents, "queries.jsonl": queries}
    for name, rows in lines.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    path = tmp_path / "t.topic.toml"
    path.write_text(
        """
        name = "t"
        [collection]
        use = "beir"
        path = "."
        [groups]
        key = "([a-z]+)-"
        attacked = 3
        held_out = 2
        [targets]
        best = 2
        worst = 20
        [budget]
        insertions = 40
        [[ranker]]
        use = "bm25"
        [[attack]]
        use = "query_stuffing"
        dynamic = true
        """,
        encoding="utf-8",
    )
    return path


def test_a_study_measures_attacked_and_held_out_queries_and_resumes(topic_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    summary = study.run(wanted, tmp_path / "out", Silent())
    (row,) = summary["rows"]
    assert (row["attack"], row["documents"], row["statuses"]) == ("query_stuffing", 2, {"ok": 2})
    # Pasting three questions about a topic lifts a rock above the topic's documents, for the other two as well.
    assert row["figures"]["attack QSR@100%"]["value"] == 1.0
    assert row["figures"]["held_out boost"]["value"] > 0
    assert list(summary["dynamic"][0]["events"]) == ["documents", "rivals", "queries", "victim"]
    before = (tmp_path / "out" / "records" / "main.jsonl").read_bytes()
    assert study.run(wanted, tmp_path / "out", Silent()) == summary
    assert (tmp_path / "out" / "records" / "main.jsonl").read_bytes() == before
    assert "from rank" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_a_resumed_study_scores_no_clean_list_again(
    topic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    pairs_scored: list[int] = []
    scored = MeteredRanker._fresh

    def counted(ranker: MeteredRanker, query: Query, docs: list[Document]) -> list[float]:
        pairs_scored[-1] += len(docs) * ranker.card.name.startswith("bm25")  # the harness's encoder is no victim
        return scored(ranker, query, docs)

    monkeypatch.setattr(MeteredRanker, "_fresh", counted)
    for _ in range(2):
        pairs_scored.append(0)
        with pytest.raises(KeyboardInterrupt):
            study.run(spec.load(topic_file), tmp_path / "out", KilledAt("bm25: query_stuffing"))
    first, again = pairs_scored
    assert first > 0
    assert again == 0


def test_given_groups_lie_beside_the_topic_file_and_other_groups_are_attacked_anew(
    topic_file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    text = topic_file.read_text(encoding="utf-8").replace('key = "([a-z]+)-"', 'source = "given"\npath = "g.json"')
    topic_file.write_text(text, encoding="utf-8")
    keys = []
    for attacked in (["q-fruit-0", "q-fruit-1"], ["q-fruit-0", "q-fruit-2"]):
        group = {"attack": attacked, "held_out": ["q-fruit-3", "q-fruit-4"]}
        (tmp_path / "g.json").write_text(json.dumps({"fruit": group}), encoding="utf-8")
        study.run(spec.load(topic_file), tmp_path / "out", Silent())
        keys.append(
            {key for key, record in journal.read(tmp_path / "out", FORMAT).items() if isinstance(record, TopicRecord)}
        )
    assert len(keys[0]) == 1
    assert len(keys[1]) == 2


class Practised:
    """Changes nothing, and records the attacked queries it was fitted on and the held-out ones it trained for."""

    substitutes = "wordnet"
    fits: ClassVar[list[tuple[set[str], set[str]]]] = []

    def fit(self, seen: Any, practice: Any, *_: Any) -> Practised:
        seen_ids = {query.query_id for case in seen for query in case.queries}
        self.fits.append((seen_ids, {query.query_id for one in practice for query in one.held_out.queries}))
        return self

    def perturb(self, case: Any, oracle: Any, rng: Random) -> str:
        return case.target.text  # type: ignore[no-any-return]


def test_attackers_of_different_draws_learn_nothing_from_one_another(
    topic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    group = {
        topic: {"attack": [[f"q-{topic}-0"], [f"q-{topic}-1"]], "held_out": [f"q-{topic}-3", f"q-{topic}-4"]}
        for topic in ("fruit", "ship")
    }
    (tmp_path / "g.json").write_text(json.dumps(group), encoding="utf-8")
    text = topic_file.read_text(encoding="utf-8").replace('key = "([a-z]+)-"', 'source = "given"\npath = "g.json"')
    topic_file.write_text(text.replace("attacked = 3", "smallest = 1"), encoding="utf-8")
    build = registry.build
    monkeypatch.setattr(
        registry, "build", lambda kind, plugin: Practised() if kind == "topic_attack" else build(kind, plugin)
    )
    monkeypatch.setattr(Practised, "fits", [])
    summary = study.run(spec.load(topic_file), tmp_path / "out", Silent())
    (row,) = summary["rows"]
    assert (row["documents"], row["figures"]["held_out boost"]["n"]) == (4, 2)  # two draws of a topic are one unit
    for number, (seen_ids, practised) in enumerate(Practised.fits):
        draw, fold = divmod(number, 2)
        assert seen_ids == {f"q-fruit-{draw}", f"q-ship-{draw}"}
        assert {i.split("-")[1] for i in practised} == ({"ship"} if fold == 0 else {"fruit"})
    assert len(Practised.fits) == 4


def test_a_ranker_may_be_left_out_of_the_dynamic_setting(topic_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    text = topic_file.read_text(encoding="utf-8")
    topic_file.write_text(text.replace('use = "bm25"', 'use = "bm25"\ndynamic = false'), encoding="utf-8")
    assert study.run(spec.load(topic_file), tmp_path / "out", Silent())["dynamic"] == []


def test_only_documents_with_the_prefix_are_searched(topic_file: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    opened = scene.open_scene(replace(wanted, groups=replace(wanted.groups, documents="fruit-")))
    assert {doc_id for docs in opened.candidates.values() for doc_id in docs} <= {f"fruit-{i}" for i in range(5)}


def record(attack: str, topic: str, after: list[int], *, seconds: float, texts: int) -> TopicRecord:
    """Two attacked and two held-out queries, all from rank 9; three answers of the victim on the way."""
    return TopicRecord(
        key=attack + topic, ranker="v", attack=attack, topic=topic, doc_id="d", status=Status.OK, error="",
        coherence=1.0, pairs=6, seconds=seconds, queries=["q1", "q2"], held_out=["h1", "h2"], attack_before=[9, 9],
        attack_after=after, held_out_before=[9, 9], held_out_after=after, answers=[[8, 8], [9, 9], after], lists=6,
        substitutions=1, insertions=1, texts_scored=texts, planning_seconds=seconds, similarity=None,
        agreement=0.5 if attack == "ours" else None, quality={}, before="a", after="b",
    )  # fmt: skip


def test_a_summary_tells_costs_per_document_and_boosts_by_lists(topic_file: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    attacks = tuple(replace(wanted.attacks[0], name=name, dynamic=False) for name in ("ours", "theirs"))
    played = scene.open_scene(replace(wanted, attacks=attacks))
    records = [
        *(record("ours", topic, [2, 4], seconds=1.0, texts=10) for topic in "abc"),
        *(record("theirs", topic, [9, 9], seconds=8.0, texts=200) for topic in "abc"),
    ]
    summary = results.summarise(records, played)
    assert {cost["what"]: round(cost["times"]["value"], 9) for cost in summary["costs"]} == {
        "texts_scored": 20.0,
        "planning_seconds": 8.0,
    }
    assert summary["rows"][0]["answered"] == [(0.0, 0.0), (2.0, 1.0), (4.0, 1.0), (6.0, 6.0)]
    assert summary["rows"][0]["promoted"] == [1.0, 1.0, 1.0]
    assert [(c["family"], c["figure"], c["difference"]["value"]) for c in summary["comparisons"]] == [
        (1, "held_out boost", 6.0),
        (1, "held_out QSR@50%", 1.0),
        (2, "held_out QSR@75%", 1.0),
        (2, "held_out QSR@50% in top 10", 0.0),  # all were there before
    ]
    figures = curves.draw(summary)
    assert list(figures) == ["success-1.svg", "boost-1.svg"]
    assert figures == curves.draw(summary)
    assert "ranked lists requested" in figures["boost-1.svg"]
    assert all(svg.count("(n=3)") == 2 * 2 for svg in figures.values())  # each attack in legend and text alternative
    assert "| theirs / ours | texts scored | 20.0" in report.report(summary)


def test_victims_are_compared_together_too_with_groups_as_units(topic_file: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    attacks = tuple(replace(wanted.attacks[0], name=name, dynamic=False) for name in ("ours", "theirs"))
    gained = {"easy": 6, "hard": 2}
    records = [
        structs.replace(record(attack, topic, [9 - gain] * 2, seconds=1.0, texts=10), ranker=ranker)
        for ranker, best in gained.items()
        for attack, gain in (("ours", best), ("theirs", 0))
        for topic in "abc"
    ]
    summary = results.summarise(records, scene.open_scene(replace(wanted, attacks=attacks)))
    boosts = [c for c in summary["comparisons"] if c["figure"] == "held_out boost"]
    assert [(c["ranker"], c["family"], c["n"], c["difference"]["value"], c["difference"]["n"]) for c in boosts] == [
        ("easy", 1, 3, 6.0, 3),
        ("hard", 1, 3, 2.0, 3),
        ("all victims", 3, 6, 4.0, 3),
    ]
    spoilt = [
        structs.replace(one, status=Status.INVALID) if (one.ranker, one.attack) == ("hard", "theirs") else one
        for one in records
    ]
    summary = results.summarise(spoilt, scene.open_scene(replace(wanted, attacks=attacks)))
    assert {c["ranker"] for c in summary["comparisons"]} == {"easy"}


def test_an_attack_without_a_legal_text_is_compared_with_nothing(topic_file: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    attacks = tuple(replace(wanted.attacks[0], name=name, dynamic=False) for name in ("ours", "theirs"))
    records = [
        *(record("ours", topic, [2, 4], seconds=1.0, texts=10) for topic in "abc"),
        *(
            structs.replace(record("theirs", topic, [2, 4], seconds=1.0, texts=10), status=Status.INVALID)
            for topic in "abc"
        ),
    ]
    summary = results.summarise(records, scene.open_scene(replace(wanted, attacks=attacks)))
    assert summary["comparisons"] == []
    assert "against the others" not in report.report(summary)


def test_a_text_over_the_budget_counts_as_no_attack(topic_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    wanted = spec.load(topic_file)
    summary = study.run(replace(wanted, budget=TopicBudget(insertions=1)), tmp_path / "out", Silent())
    (row,) = summary["rows"]
    assert row["statuses"] == {"invalid": 2}
    assert row["figures"]["held_out boost"]["value"] == 0.0


def test_a_topic_file_is_checked(topic_file: Path) -> None:
    text = topic_file.read_text(encoding="utf-8")
    for old, new, word in [
        ("[budget]", "[bugdet]", "bugdet"),
        ('name = "t"', 'name = "t"\nfolds = 1', "folds"),
        ("best = 2", "best = 30", "best"),
        ("attacked = 3", "attacked = 0", "attacked"),
        ("attacked = 3", "draws = 0", "draws"),
        ("attacked = 3", 'source = "given"', "path"),
        ("attacked = 3", 'source = "variations"', "variation"),
    ]:
        topic_file.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(ConfigError, match=word):
            spec.load(topic_file)


class KilledAt(Silent):
    def __init__(self, phase: str) -> None:
        self._phase = phase

    def start(self, phase: str, total: int) -> None:
        if phase == self._phase:
            raise KeyboardInterrupt
