"""One long document in a list: what the call answers, whom it takes along, and which end is not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustrank.auditing import cost
from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import ConfigError
from robustrank.core.types import Query
from robustrank.core.words import words
from robustrank.plugin import Document
from robustrank.protocols import long_documents
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.results.summary import Summary
from robustrank.work.base import Place
from robustrank.work.executors.supervision import over_limit
from robustrank.work.long_document_records import CallOutcome
from robustrank.work.long_documents import LongDocumentTask, filler_text
from robustrank.work.perform import workbench

RANKERS = '''
import re

from robustrank.core import usage

LIMIT = 600

def overlap(query, texts):
    """Words of the query that a text has, as a share of its words."""
    asked = set(re.findall(r"\\w+", query.lower()))
    read = [re.findall(r"\\w+", t.lower()) for t in texts]
    return [sum(w in asked for w in each) / (1 + len(each)) + len(each) / 1e6 for each in read]

def raises(query, texts):
    if any(len(t.split()) > LIMIT for t in texts):
        raise RuntimeError("input is too long")
    return overlap(query, texts)

def times_out(query, texts):
    try:
        return raises(query, texts)
    except RuntimeError as problem:
        raise TimeoutError("no answer within 1 s") from problem

def isolates(query, texts):
    return [-1.0 if len(t.split()) > LIMIT else s for t, s in zip(texts, overlap(query, texts))]

def retries(query, texts):
    """As a client that is answered when it tries again."""
    usage.count(calls=1, retries=int(max(len(t.split()) for t in texts) > LIMIT))
    return overlap(query, texts)

def reads_the_start(query, texts):
    return overlap(query, [" ".join(t.split()[:40]) for t in texts])

def reads_the_end(query, texts):
    return overlap(query, [" ".join(t.split()[-40:]) for t in texts])

def moves_others(query, texts):
    scores = overlap(query, texts)
    return [-s for s in scores] if max(len(t.split()) for t in texts) > LIMIT else scores
'''
AUDIT = """
name = "long"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 4
depth = 8
[long_document]
words = [{words}]
where = ["start", "end"]
queries = 3
"""
RANKER = """
[[ranker]]
name = "{0}"
use = "callable"
function = "mine:{0}"
"""


def spec_of(folder: Path, *names: str, lengths: str = "2000", more: str = "") -> AuditSpec:
    (folder / "mine.py").write_text(RANKERS)
    text = AUDIT.format(words=lengths) + "".join(map(RANKER.format, names)) + more
    return audit_file.parse(text, folder=folder)


def rows(summary: Summary) -> dict[tuple[str, int, str], long_documents.LongDocument]:
    result = long_documents.PROTOCOL.result_in(summary)
    return {(row.ranker, row.words, row.where): row for row in result.rows} if result else {}


NAMES = ("retries", "raises", "isolates", "times_out", "moves_others", "reads_the_start", "reads_the_end", "overlap")
GATE = """
[[gate]]
name = "{0}"
measure = "{1}"
where = {{ ranker = "{0}", words = "2000", where = "end", filler = "neutral" }}
{2}
"""
GATES = GATE.format("raises", "availability", "min = 0.9") + GATE.format("isolates", "blast radius", "max = 6.99")


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """One audit of all rankers."""
    folder = tmp_path_factory.mktemp("long")
    return audit.run(spec_of(folder, *NAMES, lengths="50, 2000", more=GATES), folder / "out")


def measured(row: long_documents.LongDocument) -> tuple[float, float]:
    """Availability and blast radius."""
    assert row.availability is not None
    assert row.blast is not None
    return row.availability.value, row.blast.value


def test_a_ranker_that_raises_is_not_available_and_takes_all_others_along(summary: Summary) -> None:
    bad, good = (rows(summary)["raises", length, "end"] for length in (2000, 50))
    assert (measured(bad), bad.others, bad.tally.planned) == ((0, 7), 7, 3)
    assert bad.outcomes == {"whole call failed": 3}
    assert (bad.change, bad.cost) == (None, None)  # a failed call is never a rank
    assert "input is too long" in bad.error
    assert measured(good) == (1, 0)


def test_an_answer_that_took_a_second_attempt_is_none(summary: Summary) -> None:
    bad, good = (rows(summary)["retries", length, "end"] for length in (2000, 50))
    assert (measured(bad), bad.outcomes) == ((0, 7), {"whole call failed": 3})
    assert "the first attempt failed; answered after 1 more" in bad.error
    assert measured(good) == (1, 0)
    service = {ranker.name: ranker.service for ranker in summary.rankers}["retries"]
    assert service is not None
    assert service.retries == 6  # they are counted once, and for the audit too


def test_documents_scored_in_isolation_leave_the_others_where_they_were(summary: Summary) -> None:
    row = rows(summary)["isolates", 2000, "end"]
    assert measured(row) == (1, 0)
    assert row.outcomes == {"target moved": 3}
    assert row.change is not None
    assert row.change.value < 0
    assert row.cost is not None


def test_time_outs_and_moved_documents_are_told_apart(summary: Summary) -> None:
    late, moved = (rows(summary)[name, 2000, "end"] for name in ("times_out", "moves_others"))
    assert late.outcomes == {"timed out": 3}
    assert moved.outcomes == {"others moved": 3}
    assert measured(late) == (0, 7)
    assert measured(moved)[0] == 1
    assert measured(moved)[1] >= 6


def test_the_end_that_is_not_read_is_found_at_both_places(summary: Summary) -> None:
    for where in ("start", "end"):
        unread = {name: rows(summary)[name, 2000, where].unread for name in NAMES[-3:]}
        assert unread == {"reads_the_start": {"end": 3}, "reads_the_end": {"start": 3}, "overlap": {}}


def test_gates_read_availability_and_blast_radius(summary: Summary) -> None:
    verdicts = {v.gate: str(v.outcome) for v in summary.verdicts}
    assert verdicts == {"raises": "fail", "isolates": "pass"}


def test_a_pointwise_encoder_gives_a_document_with_padding_behind_its_window_the_clean_score_bit_for_bit() -> None:
    ranker, query = CrossEncoder(model="robustrank-tiny", max_length=64), Query("q", "what is a virus")
    text = " ".join(f"word{n} virus" for n in range(80))
    clean = ranker.score(query, [Document("d", text)])
    assert ranker.score(query, [Document("d", f"{text} {'filler ' * 500}")]) == clean
    assert ranker.score(query, [Document("d", f"{'filler ' * 500} {text}")]) != clean


def test_the_plan_counts_its_pairs(tmp_path: Path) -> None:
    planned = cost.plan(spec_of(tmp_path, "raises")).costs
    assert [(c.tasks, c.pairs) for c in planned if c.phase == "long_documents"] == [(6, 6 * (2 * 8 + 3))]


def test_a_list_that_cannot_be_ranked_without_padding_is_undecided(tmp_path: Path) -> None:
    text = RANKERS + (
        "\nCALLS = []\ndef gives_up(query, texts):\n    CALLS.append(query)\n"
        "    if len(CALLS) > LIMIT_CALLS:\n        raise RuntimeError('gone')\n    return overlap(query, texts)\n"
        "LIMIT_CALLS = 14\n"
    )
    spec = spec_of(tmp_path, "gives_up")
    (tmp_path / "mine.py").write_text(text)
    row = next(iter(rows(audit.run(spec, tmp_path / "out")).values()))
    assert row.tally.errors + row.tally.decided == 3


def test_lists_that_failed_before_any_padding_are_open_in_figures_and_gates(tmp_path: Path) -> None:
    gate = GATE.format("selective", "availability", "min = 0.01")
    spec = spec_of(tmp_path, "selective", more=gate)
    failing = list(workbench(spec).lists("home").queries.values())[2].text
    (tmp_path / "mine.py").write_text(
        RANKERS + f"\ndef selective(query, texts):\n    if query == {failing!r}:\n        raise RuntimeError('gone')\n"
        "    return overlap(query, texts)\n"
    )
    summary = audit.run(spec, tmp_path / "out")
    row = rows(summary)["selective", 2000, "end"]
    assert (row.tally.planned, row.tally.errors) == (3, 1)
    assert "gone" in row.tally.error
    assert measured(row)[0] == 1.0
    assert row.ends["availability"].low.value == pytest.approx(2 / 3)
    assert list(row.open["availability"].values()) == [(0.0, 1.0)]
    (verdict,) = summary.verdicts
    assert "1 of 3" in verdict.reason


@pytest.mark.parametrize("change", ['where = ["middle"]', 'filler = ["none"]', "words = []"])
def test_what_no_document_can_be_padded_with_is_refused(change: str, tmp_path: Path) -> None:
    key = change.partition(" ")[0]
    lines = [line for line in AUDIT.format(words="9").splitlines() if not line.startswith(f"{key} = [")]
    with pytest.raises(ConfigError, match="long_document"):
        audit_file.parse("\n".join([*lines, change, RANKER.format("overlap")]))


def test_a_worker_that_was_ended_or_died_answered_nothing(tmp_path: Path) -> None:
    bench = workbench(spec_of(tmp_path, "overlap"))
    place = Place(ranker="overlap", collection="home", query_id=next(iter(bench.lists("home").queries)))
    task = LongDocumentTask(place=place, words=9, where="end", filler="neutral", target="x")
    late, dead = task.failed(bench, over_limit(3.0)), task.failed(bench, "its worker process died")
    assert (late.outcome, late.others_lost, late.rank_after) == (CallOutcome.TIMED_OUT, 7, None)
    assert (dead.outcome, dead.others_lost, dead.rank_after) == (CallOutcome.FAILED, 7, None)


def test_padding_has_its_length_and_no_word_of_the_query(tmp_path: Path) -> None:
    bench = workbench(spec_of(tmp_path, "overlap"))
    query_id = next(iter(bench.lists("home").queries))
    place = Place(ranker="overlap", collection="home", query_id=query_id)
    asked = {word.text.lower() for word in words(place.query(bench).text)}
    for filler in ("neutral", "corpus", "word", "invisible", "brackets"):
        task = LongDocumentTask(place=place, words=300, where="end", filler=filler, target="x")
        text = filler_text(bench, task)
        assert text == filler_text(bench, task)
        count = len(words(text))
        assert count == {"neutral": 300, "corpus": 300, "word": 1}.get(filler, 0)
        if filler == "neutral":
            assert not asked & {word.text.lower() for word in words(text)}
