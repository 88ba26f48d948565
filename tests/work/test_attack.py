"""One attack on one case: what the attack is shown, how its offer is judged, and every field of the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from robustrank.config import audit_file
from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.interfaces import Oracle, Ranker
from robustrank.core.sentences import SENTENCES
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Document,
    Perturbation,
    Query,
    RankerCard,
    Status,
    Surface,
    ThreatModel,
)
from robustrank.core.words import UNIT
from robustrank.perturbations.contextual_substitutes import load
from robustrank.perturbations.quality import quality
from robustrank.plugins import registry
from robustrank.storage.hashing import digest
from robustrank.work.attack import AttackTask
from robustrank.work.base import Place
from robustrank.work.records import AttackRecord, Fall
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench

DOCS = (Document("low", "cat"), Document("top", "cat cat cat"), Document("mid", "cat cat"), Document("last", "dog"))
"""In first-stage order; the ranker counts cats, so its order is top, mid, low, last."""
CLEAN = (1.0, 3.0, 2.0, 0.0)
QUERY = Query("q", "cat")
QRELS = {"mid": 2, "low": 1, "dog": 0}
SPEC = """
name = "x"
seed = 5
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
[[attack]]
use = "query_injection"
name = "other"
[[attack]]
use = "query_injection"
name = "lift"
budget = { edits = 3, calls = 4 }
"""
INSERT = AttackSet(operation="insert")


class CountsCats:
    """Scores the cats of a document, or all dogs for a query about dogs; raises for what says so."""

    def __init__(self, fingerprint: str = "1") -> None:
        self.card = RankerCard(name="cats", fingerprint=fingerprint)
        self.scored: list[str] = []

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.scored += [doc.text for doc in docs]
        if any("crash" in doc.text for doc in docs):
            raise ValueError("no such cat")
        return [float(doc.text.split().count(query.text)) for doc in docs]


class Recorder:
    """An attack that keeps what it was shown and returns what a function makes of it."""

    def __init__(self, act: Callable[[Case, Oracle, Random], Any], **threat: Any) -> None:
        given: dict[str, Any] = {"surface": Surface.DOCUMENT, "access": Access.SCORES, "edits": INSERT}
        self.threat = ThreatModel(**given | threat)
        self.act = act
        self.shown: list[Case] = []

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Any:
        self.shown.append(case)
        return self.act(case, oracle, rng)


class Encoder:
    """Shares of words that two texts have in common."""

    card = RankerCard(name="encoder", fingerprint="e")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        ours = set(query.text.split())
        return [len(ours & set(d.text.split())) / len(ours | set(d.text.split())) for d in docs]


class Bench:
    """What a task asks of a workbench, over four documents."""

    def __init__(self, attack: Recorder, ranker: Ranker | None = None, encoder: Encoder | None = None) -> None:
        self.spec = audit_file.parse(SPEC)
        self.metered = MeteredVictim(ranker or CountsCats())
        self.made = attack
        self.similarity = encoder
        self.similarity_by = None if encoder is None else "e"

    listwise: frozenset[str] = frozenset()

    def attack(self, name: str) -> Recorder:
        assert name == "lift"
        return self.made

    def victim(self, ranker: str, collection: str) -> MeteredVictim:
        return self.metered

    def lists(self, name: str) -> SimpleNamespace:
        collection = SimpleNamespace(qrels={"q": QRELS}, relevant=1, digest="home digest")
        return SimpleNamespace(queries={"q": QUERY}, candidates={"q": DOCS}, collection=collection)


def bench(act: Callable[[Case, Oracle, Random], Any], *, ranker: Any = None, encoder: Any = None, **more: Any) -> Bench:
    return Bench(Recorder(act, **more), ranker, encoder)


def task(**more: Any) -> AttackTask:
    given: dict[str, Any] = {
        "place": Place(ranker="r", collection="home", query_id="q"), "attack": "lift", "stratum": "3-4",
        "target": "low", "goal_rank": 1, "clean_scores": CLEAN,
    }  # fmt: skip
    return AttackTask(**given | more)


def perform(bench_: Bench, **more: Any) -> AttackRecord:
    return task(**more).perform(cast(Workbench, bench_))


def cats(number: int, *, after: str = "cat") -> Callable[[Case, Oracle, Random], Perturbation]:
    """Inserts so many cats."""
    return lambda case, oracle, rng: Perturbation(target=" ".join([after, *["cat"] * number]))


@pytest.mark.parametrize("access", [a for a in Access if a is not Access.NONE])
def test_attacks_with_access_see_the_list_in_the_order_of_the_victim(access: Access) -> None:
    place = bench(cats(0), access=access)
    perform(place, goal_rank=2)
    (shown,) = place.made.shown
    assert [doc.doc_id for doc in shown.candidates] == ["top", "mid", "low", "last"]
    assert (shown.query, shown.target, shown.goal_rank) == (QUERY, DOCS[0], 2)


def test_attacks_without_access_see_the_list_in_the_order_of_the_first_stage() -> None:
    place = bench(cats(0), access=Access.NONE)
    perform(place, goal_rank=2)
    (shown,) = place.made.shown
    assert shown.candidates == DOCS
    assert (shown.query, shown.target, shown.goal_rank) == (QUERY, DOCS[0], 2)


def test_every_field_of_the_record_of_a_legal_attack() -> None:
    about: Any = pytest.approx

    def act(case: Case, oracle: Oracle, rng: Random) -> Perturbation:
        oracle.score([Perturbation(target="cat cat"), Perturbation(target="cat cat cat cat cat cat")])
        oracle.score([Perturbation(target="cat cat cat cat")])
        return Perturbation(target="cat cat cat cat")

    place = bench(act, encoder=Encoder())
    assert perform(place) == AttackRecord(
        ranker="r", collection="home", query_id="q", attack="lift", plugin="query_injection",
        threat=place.made.threat, budget=Budget(edits=3, calls=4), stratum="3-4", doc_id="low", goal_rank=1,
        list_length=4, rank_before=3, rank_after=1, score_before=1.0, score_after=4.0,
        harm_before=about((2 / 1.5849625 + 1 / 2) / (2 + 1 / 1.5849625)),
        harm_after=about((1 + 2 / 2) / (2 + 1 / 1.5849625)),
        judged_after=0.5, fell=[Fall("top", 1, 2, relevant=False), Fall("mid", 2, 3, relevant=True)], edits=3,
        similarity=1.0, calls=3, scored=2, score_seen=4.0, rank_seen=1,
        quality=quality("cat", "cat", "cat cat cat cat"),
        # The second probe inserts five words: it is paid for, and no success.
        trajectory=[(2, 3), (3, 1)], query="cat", query_after=None, before="cat", after="cat cat cat cat",
        status=Status.OK, error="",
    )  # fmt: skip


def test_an_illegal_offer_moves_nothing_and_is_kept_to_be_seen() -> None:
    for offered, edits, reasons in (("cat cat cat cat cat", 4, ["budget is 3"]), ("dog", 0, ["inserted", ""])):
        record = perform(bench(cats(0, after=offered)))
        assert (record.status, record.rank_after, record.score_after, record.harm_after, record.fell) == (
            Status.INVALID, 3, 1.0, record.harm_before, [],
        )  # fmt: skip
        assert (record.after, record.quality) == (offered, {})
        assert record.error
        if edits:
            assert record.edits == edits
            assert reasons[0] in record.error


def test_several_violations_are_all_named() -> None:
    record = perform(bench(lambda case, oracle, rng: Perturbation(target="cat cat cat cat cat", query="dog")))
    assert record.status is Status.INVALID
    assert len(record.error.split("; ")) == 2


def test_an_attack_that_asks_for_more_than_its_budget_has_failed_without_an_error() -> None:
    def act(case: Case, oracle: Oracle, rng: Random) -> Perturbation:
        for number in range(9):
            oracle.score([Perturbation(target=f"cat {number}")])
        return Perturbation(target="cat cat cat cat")

    record = perform(bench(act))
    assert (record.status, record.error, record.calls, record.rank_after) == (Status.BUDGET_EXHAUSTED, "", 4, 3)
    assert record.after == "cat"


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        ("cat cat", "the attack returned str, not a Perturbation"),
        (Perturbation(target=cast(str, 3)), "the attack returned a target of type int, not text"),
        (
            Perturbation(target="x" * 2_000_001),
            "the attack returned a target of 2,000,001 characters; at most 2,000,000",
        ),
        (Perturbation(query=cast(str, b"x")), "the attack returned a query of type bytes, not text"),
    ],
)
def test_what_is_no_perturbation_is_invalid(offered: Any, message: str) -> None:
    record = perform(bench(lambda case, oracle, rng: offered))
    assert (record.status, record.error, record.rank_after, record.after) == (Status.INVALID, message, 3, "cat")


def test_a_text_of_another_class_is_kept_as_its_characters() -> None:
    class Same(str):
        """Equal to everything."""

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = str.__hash__

    record = perform(bench(lambda case, oracle, rng: Perturbation(target=Same("cat cat"))))
    assert (record.status, record.edits, type(record.after)) == (Status.OK, 1, str)


def test_an_attack_that_raises_anything_is_an_error_that_names_it() -> None:
    def fail(error: BaseException) -> Callable[[Case, Oracle, Random], Any]:
        def act(case: Case, oracle: Oracle, rng: Random) -> Any:
            raise error

        return act

    record = perform(bench(fail(KeyError("x"))))
    assert (record.status, record.error, record.edits, record.similarity) == (
        Status.ERROR, "attack 'lift' on 'r': KeyError: 'x'", 0, None,
    )  # fmt: skip
    errors = (PluginError("a"), ConfigError("b"), SystemExit(0), SystemExit("c"), KeyboardInterrupt(), GeneratorExit())
    for error in errors:
        record = perform(bench(fail(error)))
        assert record.status is Status.ERROR
        assert record.error.startswith(f"attack 'lift' on 'r': {type(error).__name__}")


def test_a_ranker_that_fails_on_the_changed_text_is_an_error_and_nothing_moved() -> None:
    record = perform(bench(cats(0, after="cat crash")))
    assert (record.status, record.error) == (Status.ERROR, "ranker cats: ValueError: no such cat")
    assert (record.rank_after, record.score_after, record.after) == (3, 1.0, "cat crash")
    assert record.edits == 1


def test_an_encoder_that_fails_is_an_error_of_the_case() -> None:
    class Broken(Encoder):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            raise ValueError("no vector")

    record = perform(bench(cats(3), encoder=Broken()))
    assert (record.status, record.error) == (Status.ERROR, "ValueError: no vector")
    assert (record.edits, record.similarity, record.rank_after) == (0, None, 3)


def test_the_changed_text_alone_is_scored_again() -> None:
    ranker = CountsCats()
    perform(bench(cats(3), ranker=ranker))
    assert ranker.scored == ["cat cat cat cat"]


def test_a_changed_query_scores_the_whole_list_again() -> None:
    place = bench(
        lambda case, oracle, rng: Perturbation(query="dog"), surface=Surface.QUERY, edits=AttackSet(operation="replace")
    )
    record = perform(place, target="top")
    assert (record.query, record.query_after, record.before, record.after) == (
        "cat",
        "dog",
        "cat cat cat",
        "cat cat cat",
    )
    assert (record.rank_before, record.rank_after, record.score_after) == (1, 2, 0.0)
    assert record.quality == {}


def test_a_failed_task_is_a_failure_of_the_attack_in_which_nothing_moved() -> None:
    place = bench(cats(3))
    record = task().failed(cast(Workbench, place), "the worker died")
    assert place.made.shown == []
    assert (record.status, record.error, record.calls, record.edits) == (Status.ERROR, "the worker died", 0, 0)
    assert (record.rank_before, record.rank_after, record.score_before, record.score_after) == (3, 3, 1.0, 1.0)
    assert (record.before, record.after, record.query_after, record.similarity) == ("cat", "cat", None, None)
    assert (list(record.trajectory), record.quality, record.fell) == ([], {}, [])


def identity(place: Bench, encoder: str | None = None) -> list[Any]:
    table = place.made.threat.edits.substitutes
    words = None if table is None else load(table).digest
    version = registry.version("attack", "query_injection")
    budget = asdict(Budget(edits=3, calls=4))
    return ["lift", "query_injection", version, words, budget, encoder, 5, UNIT]


def test_the_key_depends_on_list_attack_table_encoder_seed_target_and_goal() -> None:
    plain, encoded = bench(cats(0)), bench(cats(0), encoder=Encoder())
    tables = bench(cats(0), edits=AttackSet(operation="substitute", substitutes="wordnet"))
    for place, encoder in ((plain, None), (encoded, "e"), (tables, None)):
        where = Place(ranker="r", collection="home", query_id="q").identity(cast(Workbench, place))
        assert task().key(cast(Workbench, place)) == digest(
            "attack",
            where,
            identity(place, encoder),
            "low",
            1,
            f"fresh calls; third defaults of attacks; {SENTENCES}",
        )
    some = [task(), task(target="mid"), task(goal_rank=2), task(place=replace(task().place, depth=3))]
    assert len({each.key(cast(Workbench, plain)) for each in some}) == 4


def test_an_attack_draws_the_same_for_every_victim_and_another_number_for_every_target() -> None:
    drawn: list[float] = []

    def act(case: Case, oracle: Oracle, rng: Random) -> Perturbation:
        drawn.append(rng.random())
        return Perturbation(target="cat")

    place = bench(act)
    perform(place)
    perform(bench(act, ranker=CountsCats("2")), place=Place(ranker="s", collection="home", query_id="q"))
    perform(place, target="mid")
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == Random(digest(identity(place), "home", "q", "low")).random()


class BatchNoise(CountsCats):
    """Scores depend in the last digits on how many documents are scored together."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [score + 1e-9 * len(docs) for score in super().score(query, docs)]


@pytest.mark.parametrize(("words", "same"), [("dog", True), ("dog dog", True), ("cat", False)])
def test_a_change_that_the_ranker_does_not_read_is_told_from_the_noise_of_batches(words: str, same: bool) -> None:
    clean = tuple(score + 4e-9 for score in CLEAN)
    record = perform(bench(cats(0, after=f"cat {words}"), ranker=BatchNoise()), clean_scores=clean)
    assert (record.status, record.same_score) == (Status.OK, same)
    assert record.score_after != record.score_before  # they are of different calls


def test_a_score_that_is_another_by_less_than_noise_is_not_the_same() -> None:
    class Reads(CountsCats):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            more = [1e-12 * len(doc.text) for doc in docs]
            return [score + little for score, little in zip(super().score(query, docs), more, strict=True)]

    assert not perform(bench(cats(0, after="cat dog"), ranker=Reads())).same_score
