"""Defended rankers against their bases: known answers of made-up records, and of whole audits with made-up rankers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.types import Status
from robustrank.protocols import defenses, ensembles
from robustrank.protocols.defenses import flags
from robustrank.protocols.defenses.results import Defended, Defenses
from robustrank.protocols.interface import Evidence
from robustrank.report import html
from robustrank.results.summary import Summary
from robustrank.storage import typed
from robustrank.work.audited import AuditedCollection, AuditedRanker
from robustrank.work.check_records import CheckRecord, Differences
from robustrank.work.records import AttackRecord, BaseRanking, RankingRecord, SetupRecord, TaskRecord
from robustrank.work.transfer_records import TransferRecord
from tests.protocols.test_ensembles import attack

SPEC = """
name = "made up"
measures = ["nDCG@10"]
[[collection]]
use = "jsonl"
path = "x"
name = "home"
[[ranker]]
use = "random"
name = "r"
[[defense]]
use = "normalise"
name = "safe"
rankers = ["r"]
attacked = true
[cases]
queries = 40
common = true
[[attack]]
name = "a"
use = "query_injection"
[[attack]]
name = "b"
use = "query_injection"
"""
IDS = [f"d{n:02}" for n in range(1, 21)]
"""First-stage order; the relevant document is the first, the target stands at rank 15."""
SAFE = "safe + r"


def ranking(ranker: str, query: str, *, first: int = 1, **more: Any) -> RankingRecord:
    """A list whose relevant document stands at rank ``first``; the base of a defended ranker has it at rank 1."""
    others = [*IDS[1:first], IDS[0], *IDS[first:]]
    scores = [float(-others.index(doc_id)) for doc_id in IDS]
    base = None
    if ranker == SAFE:
        plain = [-float(n) for n in range(20)]
        base = BaseRanking(ranker="r", scores=plain, measures={"nDCG@10": 1.0}, judged=1.0, pairs=20, call_seconds=0.5)
    body: dict[str, Any] = {
        "ranker": ranker, "collection": "home", "query_id": query, "candidates": 20, "doc_ids": IDS, "scores": scores,
        "measures": {"nDCG@10": 1.0}, "qrels": {"d01": 1}, "base": base, "pairs": 60 if base else 20,
        "call_seconds": 1.5,
    }  # fmt: skip
    return RankingRecord(**body | more)


def failed(ranker: str, query: str) -> RankingRecord:
    return ranking(
        ranker, query, status=Status.ERROR, error="HTTPError: 429", doc_ids=(), scores=(), base=None,
        measures={"nDCG@10": 0.0},
    )  # fmt: skip


def on(ranker: str, name: str, query: str, after: int, **more: Any) -> AttackRecord:
    """An attack on the document at rank 15."""
    return replace(attack(name, query, after, 0.5 if after <= 10 else 0.8, **more), ranker=ranker, doc_id="d15")


def text(name: str, query: str, after: int, **more: Any) -> TransferRecord:
    """The base's text before the defended ranker."""
    return TransferRecord(
        ranker=SAFE, collection="home", query_id=query, source="r", attack=name, control=False, doc_id="d15",
        rank_before=15, rank_after=after, list_length=20, reached_there=True, **more,
    )  # fmt: skip


def check(ranker: str) -> CheckRecord:
    seen = Differences(spread=1.0, repeat=0.0, order=0.0, batch=0.0, query=1.0)
    return CheckRecord(ranker=ranker, collection="home", query_id="0", differences=seen)


def evidence(records: Sequence[TaskRecord], spec: str = SPEC) -> Evidence:
    rankers = [
        AuditedRanker(name="r", plugin="r", fingerprint="1", note=""),
        AuditedRanker(name=SAFE, plugin="r", fingerprint="2", note="", base="r", defense="normalise"),
    ]
    keys = {str(n): "key" for n in range(40)}
    home = cast(AuditedCollection, SimpleNamespace(name="home", query_keys=keys))
    setup = cast(SetupRecord, SimpleNamespace(rankers=rankers, collections=[home]))
    checks = [check("r"), check(SAFE)]
    return Evidence(spec=audit_file.parse(spec), setup=setup, tasks=[*records, *checks])


def row(records: Sequence[TaskRecord], spec: str = SPEC) -> Defended:
    result = defenses.summarise(evidence(records, spec))
    assert result is not None
    (only,) = result.rows
    return only


def made(
    n: int, *, base: Sequence[int], unaware: Sequence[int], direct: Sequence[int], first: int = 1, name: str = "a"
) -> list[TaskRecord]:
    """One attack on the lists of n queries; it succeeds on as many of them as said first, of each kind."""
    records: list[TaskRecord] = []
    for q in map(str, range(n)):
        records += [
            ranking("r", q), ranking(SAFE, q, first=first),
            on("r", name, q, 3 if int(q) in base else 15), on(SAFE, name, q, 3 if int(q) in direct else 15),
            text(name, q, 3 if int(q) in unaware else 15),
        ]  # fmt: skip
    return records


def value(found: Defended, name: str) -> float:
    estimate = found.levels[name].estimate
    assert estimate is not None
    return estimate.value


def change(found: Defended, name: str) -> float:
    return found.differences[name].estimate.value


def test_an_attacker_who_knows_of_a_defense_has_its_own_attacks_and_the_texts_for_the_base() -> None:
    found = row(made(30, base=range(24), unaware=range(6), direct=range(3, 9)))
    levels = {name: value(found, name) for name in ("base", "unaware", "direct", "adaptive")}
    assert levels == {"base": 24 / 30, "unaware": 6 / 30, "direct": 6 / 30, "adaptive": 9 / 30}
    assert (change(found, "unaware"), change(found, "adaptive")) == pytest.approx((-18 / 30, -15 / 30))
    assert found.differences["adaptive"].shown
    assert not found.hindered
    assert found.sentence.startswith(
        "It lowers the worst case over attacks (from 0.80 to 0.30, difference -0.50 [-0.69, -0.2"
    )
    assert "at a clean cost of 0.000 [" in found.sentence
    assert "success falls of a (0.80 to 0.30, -0.50 [" in found.sentence


def test_lists_with_texts_for_the_base_are_worth_what_their_order_is_worth() -> None:
    # A text at rank 1 of a list pushes the relevant document to rank 2; the direct attack reports 0.5 itself.
    records = [*made(4, base=range(4), unaware=(), direct=(0,)), text("b", "1", 1), on("r", "b", "1", 1)]
    found = row(records)
    second = 1 / 1.5849625007211562
    assert found.levels["adaptive nDCG@10"].per_query == pytest.approx({"0": 0.5, "1": second, "2": 0.8, "3": 0.8})
    assert found.levels["base nDCG@10"].per_query == pytest.approx(dict.fromkeys("0123", 0.5))
    assert found.left_out == ["b"]  # it was not run on the defended ranker, so it is not in its base's worst case
    assert found.levels["unaware nDCG@10"].per_query == pytest.approx({"0": 1.0, "1": second, "2": 1.0, "3": 1.0})
    listwise = [r for r in evidence(records).tasks if not isinstance(r, CheckRecord)]
    result = defenses.summarise(replaced(evidence(()), tasks=listwise))
    assert result is not None
    assert result.rows[0].no_worth
    assert "adaptive nDCG@10" not in result.rows[0].levels


def test_a_defense_that_changes_nothing_is_told_as_that() -> None:
    found = row(made(30, base=range(20), unaware=range(20), direct=range(20)))
    for name in ("clean", "unaware", "adaptive"):
        assert (change(found, name), found.differences[name].p_holm) == (0.0, 1.0)
    assert found.hindrance is not None
    assert found.hindrance.estimate.value == 0
    assert found.sentence.startswith("It is not shown to change the worst case over attacks (from 0.67 to 0.67")


def test_a_defense_that_ranks_relevant_documents_low_is_told_by_its_clean_cost() -> None:
    found = row(made(30, base=range(20), unaware=(), direct=(), first=14))
    assert (value(found, "clean"), value(found, "base clean"), change(found, "clean")) == (0.0, 1.0, -1.0)
    assert "at a clean cost of 1.000 [" in found.sentence
    (cost,) = [f for f in measured(found) if f.measure == "defense cost"]
    assert cost.estimate is not None
    assert (cost.estimate.value, cost.estimate.high) == (1.0, 1.0)
    assert not cost.higher_is_better


def measured(found: Defended) -> list[Any]:
    """The figures of a summary with this row."""
    held = {"defenses": typed.plain(Defenses(rows=[found]))}
    summary = cast(Summary, SimpleNamespace(results=held, seed=1))
    return [figure for kind in defenses.PROTOCOL.figures for figure in kind.measured(summary)]


def test_texts_for_the_base_that_do_more_than_attacks_that_know_of_the_defense_are_flagged() -> None:
    records = made(30, base=range(24), unaware=range(20), direct=range(2))
    found = row(records)
    assert found.hindered
    assert found.sentence.startswith("Not told what it does against attackers who know of it")
    assert "lowers" not in found.sentence
    held = {"defenses": typed.plain(Defenses(rows=[found]))}
    (flag,) = flags.hindered(replaced(evidence(records), results=held))
    assert (flag.check, flag.severity, flag.ranker, flag.binds) == ("hindered", "serious", SAFE, True)
    assert "+60%" in flag.detail
    fair = row(made(30, base=range(24), unaware=range(10), direct=range(9)))
    assert not fair.hindered  # one target is no evidence


def test_what_failed_is_open_at_both_ends_and_never_a_success_of_the_defense() -> None:
    records = made(10, base=range(10), unaware=(), direct=())
    error = {"status": Status.ERROR, "error": "HTTPError: 429"}
    for place, record in enumerate(records):
        if isinstance(record, TransferRecord) and record.query_id == "0":
            records[place] = replace(record, **error)
        if isinstance(record, AttackRecord) and (record.ranker, record.query_id) == (SAFE, "1"):
            records[place] = replace(record, **error)
    records = [r for r in records if not (isinstance(r, TransferRecord) and r.query_id == "2")]  # not put before it
    found = row(records)
    adaptive = found.levels["adaptive"]
    assert adaptive.open == dict.fromkeys("012", (0.0, 1.0))
    assert (adaptive.tally.planned, adaptive.tally.errors) == (10, 3)
    assert found.levels["unaware"].open == dict.fromkeys("02", (0.0, 1.0))
    changed = found.differences["adaptive"]
    assert changed.ends is not None
    assert (changed.ends.low.value, changed.ends.high.value, changed.undecided) == pytest.approx((-1.0, -0.7, 3))
    assert changed.p >= 1e-9
    assert "3 of 10 cases ended in an error" in found.sentence or "3 of 10 targets ended" in found.sentence
    assert set(found.levels["adaptive nDCG@10"].open) == set("012")


@pytest.mark.parametrize("loser", ["r", SAFE])
def test_lists_that_the_base_or_the_defended_ranker_could_not_rank_are_open(loser: str) -> None:
    kept = [r for r in made(10, base=range(10), unaware=(), direct=()) if r.query_id not in "01" or r.ranker != loser]
    if loser == "r":
        kept = [r for r in kept if not (isinstance(r, TransferRecord) and r.query_id in "01")]
    found = row([*kept, failed(loser, "0"), failed(loser, "1")])
    for name in ("unaware", "adaptive", "adaptive nDCG@10"):
        assert set(found.levels[name].open) == {"0", "1"}, name
        assert found.differences[name].undecided == 2, name
    assert found.levels["adaptive"].tally.planned == 10
    if loser == SAFE:
        assert set(found.levels["clean"].open) == {"0", "1"}
        assert found.differences["clean"].undecided == 2


@pytest.mark.parametrize(("n", "base"), [(30, 24), (60, 10)])  # at the other end it is not shown; it is the opposite
def test_undecided_cases_that_could_turn_a_difference_leave_it_not_shown(n: int, base: int) -> None:
    records = made(n, base=range(base), unaware=(), direct=())
    assert row(records).differences["adaptive"].shown
    broken = [
        replace(r, status=Status.ERROR, error="down") if isinstance(r, TransferRecord) and int(r.query_id) >= 10 else r
        for r in records
    ]
    found = row(broken)
    changed = found.differences["adaptive"]
    assert (changed.estimate.value, changed.undecided) == (-1.0, n - 10)
    assert changed.estimate.high < -0.3  # the decided cases alone would show it
    assert not changed.shown
    assert "lowers" not in found.sentence


def test_each_rankers_own_targets_are_compared_by_query() -> None:
    own = SPEC.replace("common = true", "common = false")
    records = [
        replace(r, doc_id="d16") if isinstance(r, AttackRecord) and r.ranker == SAFE else r
        for r in made(30, base=range(24), unaware=range(6), direct=range(3))
    ]
    found = row(records, own)
    assert not found.common
    assert (value(found, "base"), value(found, "direct"), value(found, "adaptive")) == (0.8, 0.1, 0.1)
    assert change(found, "adaptive") == pytest.approx(-0.7)
    assert change(found, "unaware") == pytest.approx(-0.6)  # on the base's targets


def test_attacks_that_a_ladder_had_no_need_of_are_not_held_for_spared_and_single_ones_are_not_compared() -> None:
    ladder = SPEC.replace("common = true", "common = true\nladder = true")
    records = made(10, base=(), unaware=(), direct=())
    records += [r for q in map(str, range(10)) for r in (on("r", "b", q, 3), text("b", q, 3))]
    won = [replace(r, rank_after=1) if isinstance(r, AttackRecord) and r.ranker == SAFE else r for r in records]
    found = row(won, ladder)
    assert (found.attacks, found.left_out, found.by_attack) == (["a", "b"], [], [])
    assert (value(found, "base"), value(found, "adaptive")) == (1.0, 1.0)
    spared = row(records, ladder)  # the attack that was tried had not won, so the next one was kept from it
    assert (spared.attacks, spared.left_out) == (["a"], ["b"])
    assert (value(spared, "base"), value(spared, "adaptive")) == (0.0, 1.0)
    assert "masking" in spared.sentence


def test_one_family_of_differences_is_corrected_over_all_rows() -> None:
    found = row(made(30, base=range(24), unaware=range(6), direct=range(9)))
    rising = sorted(found.differences.values(), key=lambda each: each.p)
    assert len(rising) == 5
    assert rising[0].p_holm == pytest.approx(min(1.0, 5 * rising[0].p))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("attacked = true\n", "", "`attacked = true` of its [[defense]]"),
        ("queries = 40", "queries = 40\ntransfer = false", "`transfer = true` under [cases]"),
    ],
)
def test_what_an_audit_file_lacks_for_a_whole_row_is_said(old: str, new: str, why: str) -> None:
    records = [ranking("r", "0"), ranking(SAFE, "0"), ranking("r", "1"), ranking(SAFE, "1")]
    found = row(records, SPEC.replace(old, new))
    assert why in found.missing
    assert found.sentence.startswith(f"Not told what it does against attacks: {found.missing}. It stands at a clean")
    assert [f.measure for f in measured(found)] == ["defense cost"]


def test_lists_of_other_depths_are_not_compared_under_attack() -> None:
    records = [
        replace(r, candidates=9) if isinstance(r, RankingRecord) and r.ranker == SAFE else r
        for r in made(5, base=(), unaware=(), direct=())
    ]
    assert "no list of the same length" in row(records).missing


def test_a_list_costs_what_the_call_cost_without_that_of_the_base() -> None:
    spent = row(made(3, base=(), unaware=(), direct=())).latency
    assert (spent.pairs, spent.base_pairs, spent.seconds, spent.base_seconds) == (40, 20, 1.5, 0.5)


MINE = '''
import re

TAGS = re.compile("[\\U000e0020-\\U000e007e]+")

def overlap(query, texts):
    """Words of the query that a text has, those written in characters without ink too; then the shorter text."""
    asked = set(re.findall(r"\\w+", query.lower()))
    scores = []
    for text in texts:
        hidden = "".join(chr(ord(c) - 0xE0000) for tags in TAGS.findall(text) for c in tags).lower()
        shown = set(re.findall(r"\\w+", TAGS.sub("", text).lower()))
        scores.append(sum(word in shown or word in hidden for word in asked) - len(TAGS.sub("", text)) / 1e6)
    return scores
'''
AUDIT = """
name = "defended"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 12
depth = 25
[[ranker]]
name = "overlap"
use = "callable"
function = "mine:overlap"
[[defense]]
name = "clean"
use = "normalise"
rankers = ["overlap"]
attacked = true
[cases]
queries = 12
common = true
[[attack]]
name = "hidden words"
use = "characters"
families = ["hidden_tags"]
goal = "promote"
budget = { characters = 400 }
[[attack]]
name = "copied query"
use = "query_injection"
[[gate]]
name = "cheap"
measure = "defense cost"
where = { ranker = "clean + overlap" }
max = 0.5
[[gate]]
name = "hidden words do nothing"
measure = "adaptive ASR@10"
where = { ranker = "clean + overlap" }
max = 0.5
"""


def test_normalise_stops_hidden_words_and_no_copied_query(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    summary = audit.run(audit_file.parse(AUDIT, folder=tmp_path), tmp_path / "out")
    (found,) = defenses.PROTOCOL.result_in(summary).rows
    by_attack = {each.attack: each for each in found.by_attack}
    hidden, copied = by_attack["hidden words"], by_attack["copied query"]
    assert hidden.base.value > 0.9
    assert (hidden.unaware.value, hidden.adaptive.value) == (0.0, 0.0)
    assert hidden.difference.shown
    assert copied.base.value == copied.unaware.value == copied.adaptive.value > 0.9
    assert copied.difference.estimate.value == 0
    assert change(found, "clean") == 0
    assert found.latency.pairs == found.latency.base_pairs
    assert found.latency.seconds > 0
    assert "success falls of hidden words (1.00 to 0.00" in found.sentence
    assert "is not shown to change of copied query (1.00 to 1.00" in found.sentence
    direct = {row.ranker: row for row in ensembles.PROTOCOL.result_in(summary).rows if row.operation == "any"}
    assert direct["clean + overlap"].worst.value == value(found, "direct")
    assert direct["overlap"].worst == found.levels["base"].estimate  # a quantity has one interval
    cheap, stops = summary.verdicts
    assert (cheap.outcome, stops.outcome) == ("pass", "fail")
    page = html.render(summary)
    assert 'id="defenses"' in page
    assert "success falls of hidden words" in page
