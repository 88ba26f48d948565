"""Results of attacks on records made by hand: every field of a result, who counts as strongest, and the controls."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import pytest
from msgspec import structs

from robustrank.config import audit_file
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    CollectionRole,
    Estimate,
    Goal,
    Status,
    Surface,
    ThreatModel,
)
from robustrank.protocols import adversarial
from robustrank.protocols.interface import Evidence
from robustrank.protocols.lost import LostCase, lost_cases
from robustrank.results import select
from robustrank.results.outcomes import Ends, Tally
from robustrank.results.summary import AttackResult, WorstCase
from robustrank.stats import comparisons, intervals
from robustrank.work.audited import AuditedCollection, Environment
from robustrank.work.records import BEST_RELEVANT, AttackRecord, RankingRecord, SetupRecord

INSERT, SUBSTITUTE = AttackSet(operation="insert"), AttackSet(operation="substitute", substitutes="table")


def threat(edits: AttackSet = INSERT, **more: Any) -> ThreatModel:
    given: dict[str, Any] = {"surface": Surface.DOCUMENT, "access": Access.SCORES, "edits": edits}
    return ThreatModel(**given | more)


def record(query: str, before: int, after: int, **more: Any) -> AttackRecord:
    body: dict[str, Any] = {
        "ranker": "r", "collection": "home", "attack": "inject", "plugin": "inject(n=1)", "threat": threat(),
        "budget": Budget(edits=5, calls=9), "stratum": "11-20", "doc_id": f"d{query}", "score_before": 0.0,
        "score_after": 1.0, "harm_before": 0.5, "harm_after": 0.5, "judged_after": 1.0, "fell": (), "list_length": 20,
        "goal_rank": 2, "edits": 2, "similarity": 0.9, "calls": 3, "quality": {}, "trajectory": (), "seconds": 0.1,
        "query": "q", "query_after": None, "before": "old text", "after": "new text", "key": f"key {query}",
    }  # fmt: skip
    return AttackRecord(query_id=query, rank_before=before, rank_after=after, **body | more)


CASES = [
    record(
        "q1", 11, 2, doc_id="a", harm_before=0.9, harm_after=0.4, calls=7, edits=1, judged_after=0.9, seconds=0.2,
        similarity=0.8, quality={"perplexity": 0.5, "words changed": 0.5}, trajectory=[(1, 12), (4, 10), (6, 2)],
    ),
    record(
        "q1", 13, 11, doc_id="b", harm_before=0.9, harm_after=0.8, calls=8, edits=4, judged_after=0.3, seconds=0.4,
        similarity=0.7, quality={"perplexity": -0.25}, list_length=25,
    ),
    record("q2", 12, 10, calls=2, edits=3, judged_after=0.7, seconds=0.9, similarity=None, status=Status.OK),
    record(
        "q3", 19, 19, calls=0, edits=0, judged_after=0.1, seconds=0.3, status=Status.ERROR, error="no answer",
        similarity=0.1, trajectory=[(1, 3)],
    ),
    record("q4", 15, 16, calls=1, edits=5, judged_after=0.2, seconds=0.8, similarity=1.0, quality={"words changed": 1}),
]  # fmt: skip
CLUSTERS = ["q1", "q1", "q2", "q4"]
"""Of the decided cases."""


def test_every_field_of_a_result_is_that_of_its_cases_with_intervals_clustered_by_query() -> None:
    flags = {
        "promoted": [True, True, True, False],
        "ASR@1": [False] * 4,
        "ASR@3": [True, False, False, False],
        "ASR@5": [True, False, False, False],
        "ASR@10": [True, False, True, False],
        "goal": [True, False, False, False],
    }

    def mean(*values: float, bounds: tuple[float, float]) -> Estimate:
        return intervals.mean(values, clusters=CLUSTERS, bounds=bounds)

    def with_error(*values: float, bounds: tuple[float, float]) -> Estimate:
        return intervals.mean(values, clusters=[*CLUSTERS, "q3"], bounds=bounds)

    (found,) = adversarial.attacks(CASES)
    assert found == AttackResult(
        ranker="r", attack="inject", plugin="inject(n=1)", control=False, surface=Surface.DOCUMENT,
        access=Access.SCORES, goal=Goal.PROMOTE, edits_allowed="insert", stratum="all", collection="home",
        budget=asdict(Budget(edits=5, calls=9)), statuses={Status.ERROR: 1, Status.OK: 4},
        success={name: intervals.share(each, clusters=CLUSTERS) for name, each in flags.items()},
        boost=mean(9, 2, 2, -1, bounds=(-24, 24)),
        harm=mean(0.5, 0.9 - 0.8, 0, 0, bounds=(-1, 1)),
        calls=mean(7, 8, 2, 1, bounds=(0, float("inf"))),
        edits=mean(1, 4, 3, 5, bounds=(0, float("inf"))),
        similarity=intervals.mean([0.8, 0.7, 1.0], clusters=["q1", "q1", "q4"], bounds=(-1, 1)),
        seconds=mean(0.2, 0.4, 0.9, 0.8, bounds=(0, float("inf"))),
        judged=mean(0.9, 0.3, 0.7, 0.2, bounds=(0, 1)),
        per_query={
            "promoted": {"q1": 1, "q2": 1, "q4": 0},
            "ASR@1": {"q1": 0, "q2": 0, "q4": 0},
            **{name: {"q1": 0.5, "q2": 0, "q4": 0} for name in ("ASR@3", "ASR@5", "goal")},
            "ASR@10": {"q1": 0.5, "q2": 1, "q4": 0},
            "boost": {"q1": 5.5, "q2": 2, "q4": -1},
            "harm": {"q1": ((0.9 - 0.4) + (0.9 - 0.8)) / 2, "q2": 0, "q4": 0},
        },
        quality={
            "perplexity": intervals.mean([0.5, -0.25], clusters=["q1", "q1"], bounds=(-1, 1)),
            "words changed": intervals.mean([0.5, 1], clusters=["q1", "q4"], bounds=(-1, 1)),
        },
        curve=[(2, 0.25), (4, 0.5)], changed=4, same_score=0,
        tally=Tally(planned=5, errors=1, error="no answer"),
        ends={
            **{
                name: Ends(*(intervals.share([*each, end], clusters=[*CLUSTERS, "q3"]) for end in (False, True)))
                for name, each in flags.items()
            },
            "boost": Ends(*(with_error(9, 2, 2, -1, end, bounds=(-24, 24)) for end in (-1, 18))),
            "harm": Ends(*(with_error(0.5, 0.9 - 0.8, 0, 0, end, bounds=(-1, 1)) for end in (-0.5, 0.5))),
        },
        open={
            **{name: {"q3": (0, 1)} for name in flags},
            "boost": {"q3": (-1, 18)}, "harm": {"q3": (-0.5, 0.5)},
        },
    )  # fmt: skip
    assert list(found.per_query["boost"]) == ["q1", "q2", "q4"]


def test_a_result_without_measured_similarity_or_agreeing_cases_has_none_of_it() -> None:
    (found,) = adversarial.attacks([record("1", 12, 11, similarity=None), record("2", 12, 11, status=Status.INVALID)])
    assert found.similarity is None
    assert found.quality == {}
    assert found.curve == []  # nobody reached the top ten


def test_there_is_a_result_for_every_stratum_only_where_there_are_several() -> None:
    deep = record("q9", 18, 3, stratum="16-20")
    other = record("q9", 18, 3, attack="other")
    found = [(r.attack, r.stratum, len(r.per_query["boost"])) for r in adversarial.attacks([*CASES, deep, other])]
    assert found == [("inject", "11-20", 3), ("inject", "all", 4), ("inject", "16-20", 1), ("other", "all", 1)]


@pytest.mark.parametrize(
    ("before", "cutoffs"),
    [
        ([11], [1, 3, 5, 10]), ([10], [1, 3, 5]), ([11, 10], [1, 3, 5]), ([6, 30], [1, 3, 5]), ([4], [1, 3]),
        ([3], [1]), ([2], [1]), ([1], []),
    ],
)  # fmt: skip
def test_asr_at_k_exists_only_where_every_target_stood_below_k(before: list[int], cutoffs: list[int]) -> None:
    ways = adversarial.successes([record(str(n), rank, 1) for n, rank in enumerate(before)])
    assert list(ways) == ["promoted", *(f"ASR@{k}" for k in cutoffs), "goal"]
    assert select.leading(ways) == (f"ASR@{cutoffs[-1]}" if cutoffs else "promoted")


def test_success_begins_at_the_limit_itself() -> None:
    ways = adversarial.successes([record("1", 11, 1)])
    for name, limit in {"promoted": 10, "ASR@1": 1, "ASR@3": 3, "ASR@5": 5, "ASR@10": 10, "goal": 2}.items():
        assert [ways[name](record("1", 11, rank)) for rank in (limit, limit + 1)] == [True, False], name
    falls = adversarial.successes([record("1", 3, 3, threat=threat(surface=Surface.QUERY, goal=Goal.DEMOTE))])
    assert [falls["demoted"](record("1", 3, rank)) for rank in (2, 3, 4)] == [False, False, True]
    harms = [falls["harmed"](record("1", 3, 3, harm_before=0.5, harm_after=h)) for h in (0.4, 0.5, 0.6)]
    assert harms == [True, False, False]
    assert select.leading(falls) == "demoted"
    hidden = adversarial.successes([record("1", 3, 3, threat=threat(goal=Goal.DEMOTE))])
    assert [hidden["out@10"](record("1", 3, rank)) for rank in (10, 11)] == [False, True]
    assert (list(hidden), select.leading(hidden)) == (["out@10", "demoted", "harmed"], "out@10")
    kept = adversarial.successes([record("1", 3, 3, threat=threat(goal=Goal.KEEP))])
    assert [kept["kept"](record("1", 3, rank)) for rank in (2, 3, 4)] == [True, True, False]
    assert [kept["kept@5"](record("1", 3, rank)) for rank in (5, 6)] == [True, False]
    assert (list(kept), select.leading(kept)) == (["kept", "kept@5"], "kept")


def test_changed_texts_that_the_ranker_does_not_read_are_counted() -> None:
    group = [
        record("1", 12, 12, edits=1, same_score=True),
        record("2", 12, 11, edits=1),
        record("3", 12, 12, edits=0),
        record("4", 12, 12, edits=2, same_score=True, status=Status.INVALID),
    ]
    (found,) = adversarial.attacks(group)
    assert (found.changed, found.same_score, found.unit) == (2, 1, "words")
    render = replace(threat(), edits=AttackSet(operation="render"))
    (found,) = adversarial.attacks([record("1", 12, 12, threat=render)])
    assert found.unit == "characters"


def result(name: str, successes: int, cases: int, *, ranker: str = "r", **more: Any) -> AttackResult:
    """Of one attack with so many successes at the leading cut-off."""
    plan = [record(str(n), 12, 1 if n < successes else 12, attack=name, ranker=ranker, **more) for n in range(cases)]
    return adversarial.attacks(plan)[0]


def test_the_strongest_attack_is_the_one_with_the_highest_lower_bound_not_the_highest_estimate() -> None:
    few, many = result("few", 3, 3), result("many", 90, 100)
    assert few.success["ASR@10"].value > many.success["ASR@10"].value
    assert few.success["ASR@10"].low < many.success["ASR@10"].low
    assert select.strongest([few, many]) is many
    assert select.strongest([many, few]) is many


def test_at_equal_lower_bounds_the_higher_estimate_leads() -> None:
    low, high = result("low", 0, 3), result("high", 1, 5)
    sharp = Estimate(0.5, 0.1, 0.9, 5)
    blunt = Estimate(0.4, 0.1, 0.9, 5)
    tied = [
        AttackResult(**{**vars(each), "success": {"ASR@10": estimate}, "ranker": ranker})
        for each, estimate, ranker in ((low, blunt, "r"), (high, sharp, "net"))
    ]
    assert select.strongest(tied) is tied[1]
    assert select.strongest(tied, ranker="r") is tied[0]


def test_controls_strata_other_rankers_and_query_attacks_beside_document_attacks_do_not_lead() -> None:
    weak = result("weak", 1, 5)
    control = result("control", 5, 5, threat=threat(control=True))
    query = result("query", 5, 5, threat=threat(surface=Surface.QUERY))
    part = AttackResult(**{**vars(result("part", 5, 5)), "stratum": "11-20"})
    empty = AttackResult(**{**vars(result("none", 5, 5)), "success": {}})
    other = result("other", 5, 5, ranker="other")
    assert select.strongest([control, part, empty, query, weak]) is weak
    assert select.strongest([control, query]) is query
    assert select.strongest([weak, other], ranker="r") is weak
    assert select.strongest([weak, other]) is other
    assert select.strongest([control, part, empty]) is None


def controlled() -> list[AttackRecord]:
    """Three targets a query, which succeed together; the control has other cases too, in another order."""
    ours = [record(f"q{n // 3}", 12, 1 if n < 9 else 12, doc_id=f"d{n}") for n in range(18)]
    control = {"attack": "control", "threat": threat(control=True)}
    theirs = [record(f"q{n // 3}", 12, 1 if n % 9 == 0 else 12, doc_id=f"d{n}", **control) for n in range(24)]
    return [*ours, *theirs[::-1]]


def test_an_attack_is_compared_with_its_control_clustered_by_query() -> None:
    inject, control = adversarial.attacks(controlled())
    (against,) = inject.against_controls
    queries = [query for query, cases in groupby(f"q{n // 3}" for n in range(18)) for _ in cases]
    hits = [float(n < 9) for n in range(18)]
    lucky = [float(n % 9 == 0) for n in range(18)]
    # Cases are paired by query and document, in the order of their ids.
    place = sorted(range(18), key=lambda n: (queries[n], f"d{n}"))
    difference, p, _ = comparisons.paired(
        [hits[n] for n in place], [lucky[n] for n in place], clusters=[queries[n] for n in place]
    )
    assert (against.control, against.difference, against.p) == ("control", difference, p)
    assert against.difference.n == 6
    assert against.p_holm == p
    assert p != comparisons.paired(hits, lucky).p
    assert control.against_controls == ()


def test_controls_of_another_operation_ranker_or_stratum_and_single_cases_are_no_comparison() -> None:
    ours = [record(str(n), 12, 1) for n in range(4)]
    control = {"attack": "control", "threat": threat(control=True)}
    elsewhere = [
        *(record(str(n), 12, 12, ranker="other", **control) for n in range(4)),
        *(record(str(n), 12, 12, attack="swap", threat=threat(SUBSTITUTE, control=True)) for n in range(4)),
        record("0", 12, 12, attack="one", threat=threat(control=True)),
    ]
    for each in adversarial.attacks([*ours, *elsewhere]):
        assert each.against_controls == ()
    two = [record(str(n), 12, 12, **control) for n in range(2)]
    (inject, _) = adversarial.attacks([*ours, *two])
    assert [a.difference.n for a in inject.against_controls] == [2]


def test_p_values_against_controls_are_corrected_over_the_whole_audit() -> None:
    control = {"attack": "control", "threat": threat(control=True)}
    records = [record(str(n), 12, 1) for n in range(6)]
    records += [record(str(n), 12, 1 if n else 12, attack="second") for n in range(6)]
    records += [record(str(n), 12, 12, **control) for n in range(6)]
    found = [a for result in adversarial.attacks(records) for a in result.against_controls]
    won, lost = [1.0] * 6, [0.0] + [1.0] * 5
    assert [a.p for a in found] == [comparisons.paired(each, [0.0] * 6).p for each in (won, lost)]
    assert [a.p_holm for a in found] == comparisons.holm([a.p for a in found]) != [a.p for a in found]


def test_an_attack_is_compared_with_each_of_its_controls() -> None:
    records = [record(str(n), 12, 1) for n in range(4)]
    for name in ("first", "second"):
        records += [record(str(n), 12, 12, attack=name, threat=threat(control=True)) for n in range(4)]
    assert [a.control for a in adversarial.attacks(records)[0].against_controls] == ["first", "second"]


def test_an_attack_of_several_strata_is_compared_inside_each_by_its_own_leading_success() -> None:
    control = {"attack": "control", "threat": threat(control=True)}
    records = [record(str(n), before, 6, stratum=s) for s, before in (("6-10", 8), ("11-20", 12)) for n in range(3)]
    records += [
        record(str(n), before, before, stratum=s, **control)
        for s, before in (("6-10", 8), ("11-20", 12))
        for n in range(3)
    ]
    found = {r.stratum: r.against_controls[0].difference.value for r in adversarial.attacks(records) if not r.control}
    assert found == {"6-10": 0.0, "11-20": 1.0, "all": 0.0}  # ASR@5, ASR@10, and ASR@5 over both


def test_worst_cases_come_three_an_attack_by_gain_then_edits_then_key() -> None:
    records = [
        record("1", 19, 9, edits=3, key="c"), record("2", 19, 9, edits=2, key="b"),
        record("3", 19, 9, edits=2, key="a"),
        record("4", 19, 10, key="d"), record("5", 19, 2, key="e", status=Status.INVALID),
        record("6", 19, 19, key="f", attack="idle"), record("7", 5, 18, key="g", attack="idle"),
        record("8", 19, 1, key="h", attack="control", threat=threat(control=True)),
        record("9", 2, 9, key="i", attack="demoting", threat=threat(goal=Goal.DEMOTE)),
        record("9", 19, 2, key="j", attack="demoting", threat=threat(goal=Goal.DEMOTE)),
        record("1", 19, 18, key="k", ranker="other"),
    ]  # fmt: skip
    assert [(c.ranker, c.key) for c in adversarial.worst_cases(records)] == [
        ("r", "a"), ("r", "b"), ("r", "c"), ("r", "i"), ("other", "k"),
    ]  # fmt: skip


def test_a_worst_case_shows_the_text_that_was_changed() -> None:
    document = record("1", 19, 9, similarity=0.25, calls=4)
    query = structs.replace(record("1", 19, 8, query_after="new query", attack="typos"), query="old query")
    assert adversarial.changed_text(document) == ("old text", "new text")
    assert adversarial.changed_text(query) == ("old query", "new query")
    first, second = adversarial.worst_cases([document, query])
    assert first.diff == (("replace", "old", "new"), ("equal", " query", " query"))
    assert second == WorstCase(
        key="key 1", ranker="r", attack="inject", collection="home", query_id="1", query="q", query_after=None,
        doc_id="d1", rank_before=19, rank_after=9, score_before=0.0, score_after=1.0, list_length=20, edits=2,
        similarity=0.25, calls=4, before="old text", after="new text",
        diff=(("replace", "old", "new"), ("equal", " text", " text")),
    )  # fmt: skip


LOST_AUDIT = """
name = "lost"
measures = ["nDCG@10"]
[[collection]]
use = "jsonl"
path = "x"
name = "home"
[[ranker]]
use = "random"
name = "r"
[[ranker]]
use = "bm25"
name = "s"
[[ranker]]
use = "bm25"
name = "spared"
attacked = false
[cases]
queries = 2
strata = ["11-20", "last 5"]
targets = 3
[[attack]]
use = "query_injection"
name = "on s alone"
rankers = ["s"]
[[attack]]
use = "query_injection"
name = "inject"
[[attack]]
use = "prada"
name = "left out, as r lends no gradients"
if_possible = true
[[attack]]
use = "query_typos"
name = "typos"
"""


def test_cases_of_lists_that_could_not_be_ranked_are_lost_one_for_each_target() -> None:
    def failed(ranker: str, query: str, candidates: int, relevant: int = 1) -> RankingRecord:
        return RankingRecord(
            ranker=ranker, collection="home", query_id=query, status=Status.ERROR, error="HTTP 429",
            candidates=candidates, relevant=relevant,
        )  # fmt: skip

    records = [
        failed("r", "q1", 12), failed("r", "q2", 40, relevant=0), failed("r", "q3", 40), failed("spared", "q1", 40),
        RankingRecord(ranker="s", collection="home", query_id="q1", candidates=40),
        record("q9", 11, 2, attack="typos", threat=threat(surface=Surface.QUERY, goal=Goal.DEMOTE)),
    ]  # fmt: skip
    home = AuditedCollection(
        name="home", role=CollectionRole.HOME, documents=40, queries=3, queries_available=3, judgments=3, depth=40,
        first_stage="", digest="", terms="", query_types={}, query_keys=dict.fromkeys(("q1", "q2", "q3"), ""),
    )  # fmt: skip
    environment = Environment(versions={}, python="", platform="", cores=1, tie_rule="", word_unit="", spec_hash="")
    setup = SetupRecord(started="", collections=[home], rankers=[], queries={}, environment=environment)
    given = Evidence(spec=audit_file.parse(LOST_AUDIT), setup=setup, tasks=records)
    lost = lost_cases(given)
    case = LostCase
    assert lost == {
        # ranks 11 and 12, three of the last five; of forty three of either
        ("r", "inject", "11-20"): [case("q1", 12, "HTTP 429")] * 2 + [case("q2", 40, "HTTP 429")] * 3,
        ("r", "inject", "last 5"): [case("q1", 12, "HTTP 429")] * 3 + [case("q2", 40, "HTTP 429")] * 3,
        ("r", "typos", BEST_RELEVANT): [case("q1", 12, "HTTP 429")],  # q2 has no relevant document to attack
    }
