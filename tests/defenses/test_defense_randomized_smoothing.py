"""Randomized smoothing: the exact smoothed ranker by enumeration against what is sampled and certified."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import combinations, product
from math import exp
from pathlib import Path

import numpy as np
import pytest

from robustrank.certificates import RULES, ScoreDistribution, allowed
from robustrank.certificates.smoothing import Substitution
from robustrank.core.errors import DataError, PluginError
from robustrank.core.interfaces import Certifier, Ranker
from robustrank.core.types import Certificate, Document, Query, RankerCard, SpeaksOf
from robustrank.core.words import substitute, words
from robustrank.testing import check_defense
from robustrank_defenses.certified.randomized_smoothing import RandomizedSmoothing, SmoothedRanker

QUERY = Query("q", "which one")


@dataclass
class Table:
    """A base ranker whose score is a fixed random number per query and text."""

    spread: float = 2.0
    deterministic: bool = True
    pointwise: bool = True
    calls: list[list[str]] = field(default_factory=list)

    @property
    def card(self) -> RankerCard:
        return RankerCard(
            name="table", fingerprint="1", deterministic=self.deterministic, pointwise=self.pointwise, note="made up"
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.calls.append([doc.text for doc in docs])
        return [self.one(query, doc.text) for doc in docs]

    def one(self, query: Query, text: str) -> float:
        number = int.from_bytes(sha256(f"{query.text}|{text}".encode()).digest()[:6]) / 2**48
        return self.spread * (2 * number - 1)


@pytest.fixture
def ring(tmp_path: Path) -> str:
    """Eight words, each the synonym of its two neighbours."""
    names = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({w: [names[(i + 1) % 8]] for i, w in enumerate(names)}), encoding="utf-8")
    return str(path)


def build(ring: str, base: Ranker | None = None, **options: object) -> SmoothedRanker:
    distribution = RandomizedSmoothing(substitutes=ring, **{"size": 3, **options})  # type: ignore[arg-type]
    return distribution.wrap(base or Table())


def exact(ranker: SmoothedRanker, query: Query, text: str) -> float:
    """The score that the rule speaks of: of the deployed ranker, or by enumeration of all rewordings."""
    rule = RULES[ranker.smoothing.rule]
    if rule.sampled:
        return ranker.score(query, [Document("any", text)])[0]
    base, options, sets = ranker.base, ranker.smoothing, substitution(ranker).sets
    assert isinstance(base, Table)
    draws = [
        substitute(text, dict(enumerate(choice))) for choice in product(*(sets.of(word.text) for word in words(text)))
    ]
    scores = [1 / (1 + exp(-(base.one(query, d) - options.center) / options.temperature)) for d in draws]
    return rule.smoothed(ScoreDistribution(np.array(scores)), options.quantile)


def substitution(ranker: SmoothedRanker) -> Substitution:
    assert isinstance(ranker.distribution, Substitution)
    return ranker.distribution


def attacks(ranker: SmoothedRanker, text: str, radius: float) -> Iterator[str]:
    """Every text that substitution of at most ``radius`` words can reach."""
    found, table = words(text), substitution(ranker).sets.table
    for places in combinations(range(len(found)), min(allowed(radius, len(found)), len(found))):
        options = [[found[i].text.lower(), *table.of(found[i].text)] for i in places]
        yield from (substitute(text, dict(zip(places, choice, strict=True))) for choice in product(*options))


def docs(*texts: str) -> list[Document]:
    return [Document(f"d{i}", text) for i, text in enumerate(texts)]


def test_it_keeps_the_contract_of_a_defense_that_certifies(ring: str) -> None:
    distribution = RandomizedSmoothing(substitutes=ring, samples=20)
    check_defense(distribution, Table(), QUERY, docs("ant bee", "cat", "no such words", "Dog's ELK"))
    assert isinstance(distribution.wrap(Table()), Certifier)


def test_scores_are_repeatable_pointwise_and_in_the_unit_interval(ring: str) -> None:
    texts = docs("Ant bee, cat.", "dog ELK fox", "nothing known here", "")
    together = build(ring).score(QUERY, texts)
    again = build(ring)
    alone = [again.score(QUERY, [doc])[0] for doc in reversed(texts)][::-1]
    assert together == alone == again.score(QUERY, texts)
    assert all(0 <= score <= 1 for score in together)
    few = build(ring, samples=5).score(QUERY, texts)
    assert build(ring, samples=5, seed=1).score(QUERY, texts)[0] != few[0] != together[0]


def test_every_rewording_differs_only_in_words_drawn_from_their_sets(ring: str) -> None:
    drawn, exact = build(ring, samples=8).perturbed("Cat sat on DOG's day-s, DOG.")
    assert len(drawn) == 8
    assert not exact
    assert {sample.split(" ", 1)[0] for sample in drawn} <= {"Bee", "Cat", "Dog"}
    assert {sample.rsplit(" ", 1)[1] for sample in drawn} <= {"CAT.", "DOG.", "ELK."}
    assert all(" sat on DOG's day-s, " in sample for sample in drawn)


def test_a_text_of_few_rewordings_has_every_one_of_them_once(ring: str) -> None:
    found, exact = build(ring, samples=9).perturbed("cat dog")
    assert exact
    assert sorted(found) == sorted(f"{a} {b}" for a in ("bee", "cat", "dog") for b in ("cat", "dog", "elk"))
    mixed, choices = "(Cat -- the DOG)", product(("bee", "cat", "dog"), ("cat", "dog", "elk"))
    assert build(ring, samples=9).perturbed(mixed)[0] == [substitute(mixed, {0: a, 2: b}) for a, b in choices]
    assert build(ring, samples=1).perturbed("no such words") == (["no such words"], True)


def test_the_draws_follow_the_uniform_distribution(ring: str) -> None:
    from scipy.stats import chisquare

    smoothed = build(ring, samples=26)
    drawn = [text for _ in range(300) for text in build(ring, samples=26, seed=_).perturbed("cat dog elk")[0]]
    everything, _ = build(ring, samples=27).perturbed("cat dog elk")
    counts = [drawn.count(text) for text in everything]
    assert sum(counts) == 300 * smoothed.smoothing.samples
    assert chisquare(counts).pvalue > 1e-4


def test_the_score_is_the_enumerated_one_where_that_is_affordable_and_else_near_it(ring: str) -> None:
    smoothed = build(ring, samples=700, temperature=0.7, center=0.3)
    short, long = docs("ant bee cat", "ant bee cat dog elk fox hen")
    scores = smoothed.score(QUERY, [short, long])
    assert scores[0] == pytest.approx(exact(smoothed, QUERY, short.text), abs=1e-12)
    assert scores[1] == pytest.approx(exact(smoothed, QUERY, long.text), abs=0.06)
    assert scores[1] != exact(smoothed, QUERY, long.text)


def test_equal_rewordings_are_scored_once_and_in_one_call(ring: str) -> None:
    base = Table()
    build(ring, base, samples=200).score(QUERY, docs("ant bee", "bee ant", "ant bee"))
    (asked,) = base.calls
    assert len(asked) == len(set(asked)) == 14


def test_certificates_use_the_samples_of_the_scores_without_scoring_them_again(ring: str) -> None:
    base = Table()
    smoothed = build(ring, base)
    smoothed.score(QUERY, docs("ant", "elk"))
    smoothed.certify(QUERY, docs("ant", "elk", "cat"), [1], [1])
    assert [len(call) for call in base.calls] == [6, 3]


def test_the_card_tells_what_a_reader_must_know(ring: str) -> None:
    card = build(ring, samples=7).card
    assert card.pairs_per_score == 7
    assert card.pointwise
    assert card.deterministic
    assert "sigmoid((score - 0) / 2)" in card.note
    assert "made up" in card.note
    assert card.fingerprint != build(ring, samples=8).card.fingerprint


@pytest.mark.parametrize("base", [Table(pointwise=False), Table(deterministic=False)])
def test_a_ranker_whose_scores_are_not_a_documents_own_is_refused(base: Table) -> None:
    with pytest.raises(PluginError, match="pointwise"):
        RandomizedSmoothing().wrap(base)


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"alpha": 0.0}, {"alpha": 1.0}, {"size": 0}, {"temperature": 0.0}, {"rule": "certdr"}]
)
def test_a_parameter_out_of_range_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        RandomizedSmoothing(**wrong)  # type: ignore[arg-type]


def test_wrong_radii_and_k_are_refused(ring: str) -> None:
    with pytest.raises(PluginError, match="at least 1"):
        build(ring).certify(QUERY, docs("ant"), [0], [1])
    with pytest.raises(PluginError, match="at least 0"):
        build(ring).certify(QUERY, docs("ant"), [1], [-1])


def test_there_is_one_certificate_per_k_and_radius_and_it_says_what_it_rests_on(ring: str) -> None:
    found = build(ring, samples=50).certify(QUERY, docs("ant", "bee", "cat"), [1, 3], [0, 2])
    assert [(c.k, c.radius) for c in found] == [(1, 0), (1, 2), (3, 0), (3, 2)]
    first = found[0]
    assert (first.query_id, first.alpha, first.samples, first.method) == ("q", 0.05, 50, "certdr-joint")
    assert str(first.edits) == f"substitute({ring})"
    assert "exact smoothed ranker" in first.assumes
    assert "robustrank-words/2" in first.assumes
    assert Certificate(**json.loads(json.dumps(asdict(first))) | {"edits": first.edits}) == first


def test_a_list_without_runner_ups_is_not_called_certified(ring: str) -> None:
    found = build(ring).certify(QUERY, docs("ant", "bee"), [1, 2, 3], [0])
    assert [c.certified for c in found[1:]] == [False, False]
    assert [c.certified for c in build(ring).certify(QUERY, [], [1], [0])] == [False]


def test_the_released_rule_is_marked_as_no_joint_guarantee(ring: str) -> None:
    (released,) = build(ring, rule="certdr-2022").certify(QUERY, docs("ant", "bee"), [1], [1])
    (joint,) = build(ring).certify(QUERY, docs("ant", "bee"), [1], [1])
    assert "NOT a joint guarantee" in released.assumes
    assert "NOT" not in joint.assumes


class Marker(Table):
    """Scores by how many words stand in one half of the ring, so that lists have clear gaps."""

    def one(self, query: Query, text: str) -> float:
        return self.spread * sum(1 if word.text in {"cat", "dog", "elk", "fox"} else -1 for word in words(text))


def falsely_certified(smoothed: SmoothedRanker, query: Query, listed: list[Document]) -> tuple[bool, bool]:
    """Whether any claim about the list is made, and whether any is false when every runner-up is attacked at will."""
    ks, radii = range(1, len(listed)), (0, 1, 2)
    made = [c for c in smoothed.certify(query, listed, ks, radii) if c.certified]
    ranking = sorted(zip(smoothed.score(query, listed), listed, strict=True), reverse=True)
    return bool(made), any(broken(smoothed, query, [doc for _, doc in ranking], claim) for claim in made)


def broken(smoothed: SmoothedRanker, query: Query, ranking: list[Document], claim: Certificate) -> bool:
    least = min(exact(smoothed, query, doc.text) for doc in ranking[: claim.k])
    return any(
        exact(smoothed, query, text) >= least
        for doc in ranking[claim.k :]
        for text in attacks(smoothed, doc.text, claim.radius)
    )


def check_lists(ring: str, lists: int, rule: str, seed: int) -> tuple[int, int]:
    """Lists with a claim, and lists with a false one, under a generous alpha that makes errors likely."""
    rng = np.random.default_rng(seed)
    names = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
    claimed = false = 0
    for number in range(lists):
        base = (Marker if number % 2 else Table)(spread=float(rng.choice([0.5, 2.0, 8.0])))
        size = int(rng.choice([3, 5, 8]))  # 8 is the whole ring: no shift, so errors come from sampling alone
        samples = int(rng.choice([5, 20, 60]))  # the largest enumerates the smaller distributions
        smoothed = build(ring, base, samples=samples, size=size, rule=rule, alpha=0.5, seed=number)
        listed = docs(*(" ".join(rng.choice(names, size=2)) for _ in range(4)))
        made, wrong = falsely_certified(smoothed, Query("q", f"query {number}"), listed)
        claimed += made
        false += wrong
    return claimed, false


@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.joint])
def test_certified_lists_withstand_every_attack_on_every_runner_up(ring: str, rule: str) -> None:
    claimed, false = check_lists(ring, 40, rule, seed=1)
    assert claimed >= 5
    assert false <= 20  # alpha = 0.5 of 40 lists, before any margin


@pytest.mark.slow
@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.joint])
def test_false_certificates_stay_within_alpha_in_a_large_sweep(ring: str, rule: str) -> None:
    claimed, false = check_lists(ring, 1000, rule, seed=2)
    assert claimed >= 100
    assert false <= 500


def test_certificates_in_batches_score_each_rewording_once_and_fewer_than_all(ring: str) -> None:
    base = Marker(spread=4.0)
    listed = docs("cat dog elk fox", "ant bee hen gnu", "hen ant gnu bee")
    found = build(ring, base, samples=400, size=8).certify_in_batches(QUERY, listed, [1, 3], [1, 0.5])
    assert [(c.k, c.radius, c.certified, c.method) for c in found] == [
        (1, 0.5, False, "sequential"),
        (1, 1, False, "sequential"),
        (3, 0.5, False, "sequential"),
        (3, 1, False, "sequential"),
    ]  # the sets hold the whole ring, so all documents have one distribution
    apart = build(ring, Marker(spread=4.0), samples=400, size=3).certify_in_batches(QUERY, listed, [1], [0])
    assert [claim.certified for claim in apart] == [True]
    asked = [text for call in base.calls for text in call]
    assert len(asked) == len(set(asked))
    assert build(ring).certify_in_batches(QUERY, [], [1], [1])[0].certified is False


@pytest.mark.parametrize(("distribution", "operation"), [("mask", "replace"), ("delete", "edit")])
def test_masks_and_deletions_certify_their_own_attacks(ring: str, distribution: str, operation: str) -> None:
    smoothed = build(ring, distribution=distribution, keep=0.5, samples=30)
    check_defense(smoothed.smoothing, Table(), QUERY, docs("ant bee", "cat", "no such words", "Dog's ELK"))
    assert smoothed.edits.operation == operation
    assert "0.5" in smoothed.card.note


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_certifies_a_list_without_attacks_whose_scores_are_far_apart(ring: str, rule: str) -> None:
    smoothed = build(ring, Marker(spread=9.0), samples=300, size=3, rule=rule)
    (claim,) = smoothed.certify(QUERY, docs("cat dog elk dog elk dog", "ant bee hen gnu hen ant"), [1], [0])
    assert claim.certified
    assert (claim.ranker is SpeaksOf.DEPLOYED) is (claim.alpha == 0.0) is RULES[rule].sampled
    assert claim.unit == "robustrank-words/2"
    assert claim.table == smoothed.table
    assert "sigmoid" in claim.calibration


def test_costs_are_read_and_checked(ring: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text('{"cat": 3}', encoding="utf-8")
    assert build(ring, costs=str(path)).edits.costs == str(path)
    path.write_text('{"cat": 0}', encoding="utf-8")
    with pytest.raises(DataError, match="at least 1"):
        build(ring, costs=str(path))
    with pytest.raises(PluginError, match="moves all later words"):
        build(ring, distribution="delete", rule="shared-draws")
