"""Sources of the topics of a study (shared documents, query variations, clusters, a file), and their draws."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import DataError
from robustrank.core.types import Collection, Query, Variant
from robustrank.topics import groups, scene, spec

pytest.importorskip("sklearn")


def _collection(queries: dict[str, str], qrels: dict[str, str]) -> Collection:
    return Collection(
        name="c", documents={}, queries=[Query(i, t) for i, t in queries.items()],
        qrels={i: {d: 1} for i, d in qrels.items()}, query_types={}, candidates={}, digest="",
    )  # fmt: skip


TEXTS = {"1": "red apples", "2": "apples that are red", "3": "blue whales", "4": "whales", "5": "alone"}
RELEVANT = {"1": "fruit-1", "2": "fruit-2", "3": "sea-1", "4": "sea-1", "5": "none-1"}


def test_queries_about_one_document_are_a_group() -> None:
    topics = groups.shared_documents(_collection(TEXTS, RELEVANT), key="([a-z]+)-")
    formed = groups.split(topics, attacked=5, held_out=5, seed=1)
    assert [(g.topic_id, sorted(g.attack + g.held_out)) for g in formed] == [("fruit", ["1", "2"]), ("sea", ["3", "4"])]
    assert all(g.attack and g.held_out and 0 < g.coherence <= 1 for g in formed)


class Louder:
    """Says a query in capitals, and twice."""

    def variants(self, query: Query, rng: Random, /) -> list[Variant]:
        return [Variant("upper", query.text.upper()), Variant("twice", f"{query.text} {query.text}")]


def test_a_query_and_its_variations_are_a_topic_and_judged_alike() -> None:
    collection = _collection({"1": "red apples", "2": "WHALES"}, RELEVANT)
    wide, topics = groups.variations_of_queries(collection, [Louder(), Louder()], seed=1)
    assert topics == {
        "1": [Query("1", "red apples"), Query("1~1", "RED APPLES"), Query("1~2", "red apples red apples")],
        "2": [Query("2", "WHALES"), Query("2~1", "WHALES WHALES")],  # in capitals this one is the same
    }
    assert list(wide.queries) == [*topics["1"], *topics["2"]]
    assert wide.qrels["1~2"] == collection.qrels["1"]
    other, _ = groups.variations_of_queries(collection, [Louder()], seed=1)  # the second plug-in adds no new text
    assert wide.digest == other.digest != collection.digest


def test_published_variations_of_web_queries_are_topics(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.topic.toml"
    path.write_text(
        f"""
        name = "variations"
        [collection]
        use = "beir"
        path = "{shared_data / "msmarco-dl19"}"
        [groups]
        source = "variations"
        attacked = 2
        held_out = 5
        [[variation]]
        use = "given_variants"
        path = "{shared_data / "resources" / "query_variations" / "dl19_variations_labelled.csv"}"
        id = "q_id"
        valid = "valid"
        [[ranker]]
        use = "bm25"
        [[attack]]
        use = "topic_random"
        """,
        encoding="utf-8",
    )
    opened = scene.open_scene(spec.load(path))
    assert len(opened.groups) == 43
    assert all(len(group.attack) == 2 and len(group.held_out) >= 3 for group in opened.groups)
    lost = [i for group in opened.groups for i in (*group.attack, *group.held_out) if not opened.candidates[i]]
    assert [opened.query(i).text for i in lost] == ["tracheoids"]


def test_clusters_hold_only_queries_that_are_all_close() -> None:
    formed = groups.clustered([Query(i, t) for i, t in TEXTS.items()], least=0.3)
    assert sorted(sorted(q.query_id for q in queries) for queries in formed.values()) == [["1", "2"], ["3", "4"], ["5"]]


def test_draws_of_a_topic_share_its_held_out_queries_and_no_attacked_one() -> None:
    topics = {"t": [Query(str(i), f"word {i}") for i in range(9)], "alone": [Query("9", "word 9")]}
    formed = groups.split(topics, attacked=2, held_out=5, draws=2, seed=1)
    assert [(g.key, len(g.attack), len(g.held_out)) for g in formed] == [("t", 2, 5), ("t|1", 2, 5)]
    assert formed[0].held_out == formed[1].held_out
    assert len({*formed[0].attack, *formed[1].attack, *formed[0].held_out}) == 9
    # As one draw of as many queries, dealt out; a rest that is no whole draw is left out.
    (whole,) = groups.split(topics, attacked=4, held_out=5, seed=1)
    assert whole.attack == formed[0].attack + formed[1].attack
    short = groups.split(topics, attacked=3, held_out=5, draws=3, seed=1)
    assert [(g.draw, len(g.attack), len(g.held_out)) for g in short] == [(0, 3, 4)]


def test_given_groups_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "topics.json"
    path.write_text(json.dumps({"apples": {"attack": ["1"], "held_out": ["2"]}}), encoding="utf-8")
    (group,) = groups.given(path, _collection(TEXTS, RELEVANT))
    assert (group.attack, group.held_out) == (("1",), ("2",))
    path.write_text(json.dumps({"apples": {"attack": [["1"], ["3", "4"]], "held_out": ["2"]}}), encoding="utf-8")
    draws = groups.given(path, _collection(TEXTS, RELEVANT))
    assert [(g.key, g.attack, g.held_out) for g in draws] == [
        ("apples", ("1",), ("2",)),
        ("apples|1", ("3", "4"), ("2",)),
    ]
    for bad, word in [({"t": {"attack": ["1"]}}, "held_out"), ({"t": {"attack": ["1"], "held_out": ["9"]}}, "'9'"),
                      ({"t": {"attack": ["1"], "held_out": ["1"]}}, "both"),
                      ({"t": {"attack": [["1"], "3"], "held_out": ["2"]}}, "attack")]:  # fmt: skip
        path.write_text(json.dumps(bad), encoding="utf-8")
        with pytest.raises(DataError, match=word):
            groups.given(path, _collection(TEXTS, RELEVANT))
