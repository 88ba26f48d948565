"""One long document in a list: what the call answers, whom it takes along, and which end is not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustrank.audit import cost
from robustrank.audit import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import ConfigError
from robustrank.core.types import Query
from robustrank.core.words import words
from robustrank.plugin import Document
from robustrank.protocols import long_documents
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.results.summary import Summary

RANKERS = '''
import re

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


def test_a_ranker_that_raises_is_not_available_and_takes_all_others_along(tmp_path: Path) -> None:
    found = rows(audit.run(spec_of(tmp_path, "raises", lengths="50, 2000"), tmp_path / "out"))
    bad = found["raises", 2000, "end"]
    assert bad.availability is not None
    assert bad.blast is not None
    assert (bad.availability.value, bad.availability.n, bad.blast.value, bad.others) == (0, 3, 7, 7)
    assert bad.outcomes == {"whole call failed": 3}
    assert (bad.change, bad.cost) == (None, None)  # a failed call is never a rank
    assert "input is too long" in bad.error
    good = found["raises", 50, "end"]
    assert good.availability is not None
    assert good.blast is not None
    assert (good.availability.value, good.blast.value) == (1, 0)


def test_documents_scored_in_isolation_leave_the_others_where_they_were(tmp_path: Path) -> None:
    row = rows(audit.run(spec_of(tmp_path, "isolates"), tmp_path / "out"))["isolates", 2000, "end"]
    assert row.availability is not None
    assert row.blast is not None
    assert row.change is not None
    assert (row.availability.value, row.blast.value) == (1, 0)
    assert row.outcomes == {"target moved": 3}
    assert row.change.value < 0
    assert row.cost is not None


def test_time_outs_and_moved_documents_are_told_apart(tmp_path: Path) -> None:
    found = rows(audit.run(spec_of(tmp_path, "times_out", "moves_others"), tmp_path / "out"))
    late, moved = found["times_out", 2000, "end"], found["moves_others", 2000, "end"]
    assert late.outcomes == {"timed out": 3}
    assert moved.outcomes == {"others moved": 3}
    assert late.availability is not None
    assert moved.availability is not None
    assert moved.blast is not None
    assert (late.availability.value, moved.availability.value) == (0, 1)
    assert moved.blast.value >= 6


def test_the_end_that_is_not_read_is_found_at_both_places(tmp_path: Path) -> None:
    found = rows(audit.run(spec_of(tmp_path, "reads_the_start", "reads_the_end", "overlap"), tmp_path / "out"))
    for where in ("start", "end"):
        assert found["reads_the_start", 2000, where].unread == {"end": 3}
        assert found["reads_the_end", 2000, where].unread == {"start": 3}
        assert found["overlap", 2000, where].unread == {}


def test_a_pointwise_encoder_gives_a_document_with_padding_behind_its_window_the_clean_score_bit_for_bit() -> None:
    ranker, query = CrossEncoder(model="robustrank-tiny", max_length=64), Query("q", "what is a virus")
    text = " ".join(f"word{n} virus" for n in range(80))
    clean = ranker.score(query, [Document("d", text)])
    assert ranker.score(query, [Document("d", f"{text} {'filler ' * 500}")]) == clean
    assert ranker.score(query, [Document("d", f"{'filler ' * 500} {text}")]) != clean


def test_gates_read_availability_and_the_plan_counts_its_pairs(tmp_path: Path) -> None:
    gates = "".join(
        f'[[gate]]\nname = "{name}"\nmeasure = "{measure}"\n{limit}\n'
        f'where = {{ ranker = "{name}", words = "2000", where = "end", filler = "neutral" }}\n'
        for name, measure, limit in (
            ("raises", "availability", "min = 0.9"), ("isolates", "blast radius", "max = 6.9"),
        )
    )  # fmt: skip
    spec = spec_of(tmp_path, "raises", "isolates", more=gates)
    verdicts = {v.gate: str(v.outcome) for v in audit.run(spec, tmp_path / "out").verdicts}
    assert verdicts["raises"] in ("fail", "inconclusive")
    assert verdicts["isolates"] == "inconclusive"  # three lists show little
    planned = [c for c in cost.plan(spec).costs if c.phase == "long_documents"]
    assert {c.ranker: (c.tasks, c.pairs) for c in planned} == {
        "raises": (6, 6 * (2 * 8 + 3)), "isolates": (6, 6 * (2 * 8 + 3)),
    }  # fmt: skip


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


@pytest.mark.parametrize("change", ['where = ["middle"]', 'filler = ["none"]', "words = []"])
def test_what_no_document_can_be_padded_with_is_refused(change: str, tmp_path: Path) -> None:
    key = change.partition(" ")[0]
    lines = [line for line in AUDIT.format(words="9").splitlines() if not line.startswith(f"{key} = [")]
    with pytest.raises(ConfigError, match="long_document"):
        audit_file.parse("\n".join([*lines, change, RANKER.format("overlap")]))


def test_padding_has_its_length_and_no_word_of_the_query(tmp_path: Path) -> None:
    from robustrank.work.base import Place
    from robustrank.work.long_documents import LongDocumentTask, filler_text
    from robustrank.work.perform import workbench

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
