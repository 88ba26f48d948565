"""Added documents in a whole audit: known answers by hand, failures, held-out queries, and gates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from robustrank.auditing import cost
from robustrank.auditing import run as audit
from robustrank.auditing.plan import read_plan
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.types import Status
from robustrank.protocols import corpus, red_flags
from robustrank.protocols.installed import record_format
from robustrank.report import html
from robustrank.results.summary import Summary
from robustrank.storage import journal
from robustrank.work.plant_records import PlantRecord
from robustrank.work.records import RankingRecord

MODULE = '''
import re
import numpy as np

WORDS = ["alpha", "beta", "gamma", "delta", "common"]

class Counts:
    """A vector counts the words of a small vocabulary, at the length 1."""

    fingerprint = "counts"

    def encode(self, texts, /, *, query):
        rows = [[float(t.lower().split().count(w)) for w in WORDS] + [1e-3] for t in
                (re.sub(r"[^a-z ]", " ", t.lower()) for t in texts)]
        table = np.array(rows, dtype=np.float32)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

def overlap(query, texts):
    asked = set(re.findall(r"\\w+", query.lower()))
    return [len(asked & set(re.findall(r"\\w+", t.lower()))) - len(t) / 1e6 for t in texts]

def suspicious(query, texts):
    """Puts what advertises last."""
    return [s - 100 * ("buy" in t) for s, t in zip(overlap(query, texts), texts)]

def down(query, texts):
    if len(texts) == 1 and "alpha" in query:
        raise RuntimeError("no alpha today")
    return overlap(query, texts)

def broken(query, texts):
    if "gamma" in query:
        raise RuntimeError("no gamma ever")
    return overlap(query, texts)
'''
AUDIT = """
name = "corpus"
measures = ["nDCG@10"]
seed = 5
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 4
first_stage = { use = "dense", object = "mine:Counts", cache = "CACHE" }
[corpus]
queries = 2
held_out = 2
payload = "buy now"
[[corpus.attack]]
use = "plant_query"
budget = { plants = 2, plant_words = 12 }
"""
RANKER = """
[[ranker]]
name = "{0}"
use = "callable"
function = "mine:{0}"
"""
TOPICS = ("alpha", "beta", "gamma", "delta")


def spec_of(folder: Path, *rankers: str, more: str = "", text: str = AUDIT) -> AuditSpec:
    home = folder / "home"
    (home / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(MODULE)
    documents = [(f"{topic}{n}", f"{topic} common {'word ' * n}") for topic in TOPICS for n in range(6)]
    lines = [json.dumps({"_id": i, "text": t}) for i, t in documents]
    (home / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    (home / "queries.jsonl").write_text("".join(json.dumps({"_id": t, "text": f"{t} {t}"}) + "\n" for t in TOPICS))
    rows = "".join(f"{topic}\t{topic}2\t1\n" for topic in TOPICS)
    (home / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    text = text.replace("CACHE", str(folder / "vectors"))
    return audit_file.parse(text + "".join(map(RANKER.format, rankers)) + more, folder=folder)


def result_of(summary: Summary) -> corpus.Corpus:
    result: corpus.Corpus = corpus.PROTOCOL.result_in(summary)
    return result


def rows_of(summary: Summary, attack: str = "plant_query") -> dict[tuple[str, str, str], corpus.Planted]:
    return {(r.ranker, r.queries, r.at): r for r in result_of(summary).rows if r.attack == attack}


def values(row: corpus.Planted) -> list[float]:
    return [round(row.means[measure].value, 6) for measure in corpus.MEASURES]


def records_of(folder: Path) -> list[PlantRecord]:
    return [r for r in journal.read(folder, record_format()).values() if isinstance(r, PlantRecord)]


def test_a_pasted_query_is_first_for_its_query_and_unseen_for_others(tmp_path: Path) -> None:
    summary = audit.run(spec_of(tmp_path, "overlap", "suspicious"), tmp_path / "out")
    rows = rows_of(summary)
    assert len(rows) == 2 * 2 * 2
    # "alpha alpha.buy now" is nearer to "alpha alpha" than "alpha common", and pushes the last candidate off.
    for ranker in ("overlap", "suspicious"):
        assert values(rows[ranker, "known", "first stage"])[:4] == [1, 1, 1, 1]
        assert values(rows[ranker, "held out", "first stage"]) == [0, 0, 0, 0, 0]
    # It is the shortest, which the ranker likes, and the last for one that knows advertisements.
    assert values(rows["overlap", "known", "end to end"])[:4] == [1, 1, 1, 1]
    assert values(rows["suspicious", "known", "end to end"])[:4] == [1, 1, 0, 1]
    (overlap, suspicious) = sorted(records_of(tmp_path / "out"), key=lambda r: r.ranker)
    assert [q.final and q.final.best for q in suspicious.queries] == [4, 4, None, None]
    assert overlap.texts == suspicious.texts
    assert all(text.endswith(".buy now") for text in overlap.texts)
    assert {(r.pairs, r.encodes, r.words) for r in (overlap, suspicious)} == {(2, 0, 8)}


def test_figures_are_those_of_lists_made_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    audit.run(spec_of(tmp_path, "overlap"), folder)
    (record,) = records_of(folder)
    known = [q for q in record.queries if not q.held_out]
    assert [q.query_id for q in known] == [q.query_id for q in record.queries[:2]]
    for query in known:
        topic = query.query_id
        # Clean: all six documents of the topic tie at the first stage; ids descending, and four are candidates.
        assert query.stage is not None
        assert query.final is not None
        assert sorted(query.stage.ranks, key=str) == [1, None]
        assert query.stage.before == pytest.approx(0.4307, abs=1e-4)
        assert query.stage.after == 0
        # Shorter is better for the ranker: topic2, topic3, topic4, topic5; topic2 is no candidate any more.
        assert (query.final.before, query.final.after) == (1, 0)
        assert query.lost == 1
        gone = [(d.doc_id, d.grade, d.rank_before, d.rank_after) for d in query.displaced]
        assert gone == [(f"{topic}2", 1, 1, None)]
    row = rows_of(audit.run(spec_of(tmp_path, "overlap"), folder))["overlap", "known", "end to end"]
    assert row.lost == 1
    assert row.of_floor is not None
    assert row.of_floor.value == 1  # nothing is left of the measure


def test_the_attack_never_sees_a_query_that_is_held_out(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "overlap", text=AUDIT.replace("plants = 2, plant_words = 12", "plants = 4"))
    folder = tmp_path / "out"
    audit.run(spec, folder)
    (record,) = records_of(folder)
    held_out = [q.query_id for q in record.queries if q.held_out]
    assert len(held_out) == 2
    assert len(record.texts) == 2  # one for each known query, though four are allowed
    assert not any(topic in text for topic in held_out for text in record.texts)


def test_a_query_that_the_ranker_could_not_rank_is_open_and_not_unharmed(tmp_path: Path) -> None:
    where = 'where = { queries = "known", ranker = "down" }'
    gate = f'[[gate]]\nname = "g"\nmeasure = "plants shown@10"\n{where}\nmax = 0.9\n'
    text = AUDIT.replace("queries = 2", "queries = 4").replace("plants = 2", "plants = 4")
    summary = audit.run(spec_of(tmp_path, "down", text=text, more=gate), tmp_path / "out")
    row = rows_of(summary)["down", "known", "end to end"]
    assert (row.tally.planned, row.tally.errors) == (4, 1)
    assert row.means[corpus.SHOWN].n == 3
    assert row.open[corpus.SHOWN] == {"alpha": (0.0, 1.0)}
    assert row.open[corpus.HARM] == {"alpha": (-1.0, 1.0)}
    assert {m: (e.low.value, e.high.value) for m, e in row.ends.items()}[corpus.SHOWN] == (0.75, 1.0)
    assert rows_of(summary)["down", "known", "first stage"].tally.undecided == 0
    (verdict,) = summary.verdicts
    assert not verdict.held
    (record,) = records_of(tmp_path / "out")
    assert record.status == "error"
    assert "no alpha today" in record.error


def test_a_list_that_was_never_ranked_is_open_too(tmp_path: Path) -> None:
    text = AUDIT.replace("queries = 2", "queries = 4").replace("plants = 2", "plants = 4")
    summary = audit.run(spec_of(tmp_path, "broken", text=text), tmp_path / "out")
    row = rows_of(summary)["broken", "known", "end to end"]
    assert (row.tally.planned, row.tally.errors) == (4, 1)
    assert list(row.open[corpus.HARM]) == ["gamma"]
    assert "no gamma ever" in row.tally.error


def test_documents_that_break_the_rules_are_not_planted_and_open(tmp_path: Path) -> None:
    text = AUDIT.replace("plant_words = 12", "plant_words = 1")  # the payload alone has two words
    summary = audit.run(spec_of(tmp_path, "overlap", text=text), tmp_path / "out")
    row = rows_of(summary)["overlap", "held out", "end to end"]
    assert not row.means
    assert (row.tally.planned, row.tally.invalid) == (2, 2)
    assert "the budget is 1" in row.tally.breach
    assert "the budget is 1" in result_of(summary).written[0].error


def test_an_attack_that_added_nothing_is_flagged(tmp_path: Path) -> None:
    summary = audit.run(spec_of(tmp_path, "overlap"), tmp_path / "out")
    (record,) = records_of(tmp_path / "out")
    assert not [flag for flag in summary.red_flags if flag.check == "unchanged"]
    assert not red_flags._added_nothing([record])
    empty = structs.replace(record, texts=())
    spent = structs.replace(record, status=Status.BUDGET_EXHAUSTED)
    failed = structs.replace(record, status=Status.ERROR, error="down")
    flags = red_flags._added_nothing([empty, spent, failed])
    assert [flag.detail.partition(". ")[0] for flag in flags] == [
        "no document was added: it returned none",
        "no document was added: its budget was spent before it had any",
    ]
    assert {flag.severity for flag in flags} == {"serious"}


def test_weights_of_a_first_stage_that_has_none_are_an_error_told_beforehand(tmp_path: Path) -> None:
    attack = '[[corpus.attack]]\nname = "{}"\nuse = "plant_gaslite"\nif_possible = {}\nbudget = {{ plants = 1 }}\n'
    more = attack.format("left out", "true") + attack.format("tried", "false")
    stage = 'first_stage = { use = "dense", object = "mine:Counts", cache = "CACHE" }'
    spec = spec_of(tmp_path, "overlap", text=AUDIT.replace(stage, 'first_stage = { use = "bm25" }') + more)
    notes = cost.plan(spec).notes
    assert any("'left out' needs the weights" in note and "it is left out" in note for note in notes)
    assert any("'tried' needs the weights" in note and "its queries will be errors" in note for note in notes)
    summary = audit.run(spec, tmp_path / "out")
    assert not rows_of(summary, "left out")
    row = rows_of(summary, "tried")["overlap", "held out", "end to end"]
    assert (row.tally.errors, row.tally.planned) == (2, 2)
    assert "plant_query" in summary.headline
    assert "100% of the queries that it knew" in summary.headline


def test_plan_resume_and_report(tmp_path: Path) -> None:
    spec, folder = spec_of(tmp_path, "overlap"), tmp_path / "out"
    planned = [c for c in cost.plan(spec).costs if c.phase == "corpus"]
    assert [(c.ranker, c.tasks, c.pairs) for c in planned] == [("overlap", 1, 4 * 2)]
    summary = audit.run(spec, folder)
    (record,) = records_of(folder)
    assert read_plan(folder).phases["corpus"] == [record.key]
    lines = (folder / "records" / "main.jsonl").read_bytes()
    audit.run(spec, folder)
    assert (folder / "records" / "main.jsonl").read_bytes() == lines
    page = html.render(summary)
    assert "Queries held out" in page
    assert "buy now" in page
    assert not any("poisoning" in line for line in summary.not_tested)
    assert any(line.startswith("documents added to home by plant_query") for line in summary.tested)


def test_natural_hubs_are_counted_for_the_same_queries(tmp_path: Path) -> None:
    result = result_of(audit.run(spec_of(tmp_path, "overlap"), tmp_path / "out"))
    assert {(h.ranker, h.queries, h.lists, h.most) for h in result.hubs} == {
        (ranker, queries, 2, 1) for ranker in ("", "overlap") for queries in ("known", "held out")
    }
    assert [list(h.documents) for h in result.hubs] == [[(1, 8)]] * 4


def test_the_centroids_of_the_known_queries_bound_what_a_text_reaches(tmp_path: Path) -> None:
    rows = rows_of(audit.run(spec_of(tmp_path, "overlap"), tmp_path / "out"))
    ideal = rows["overlap", "known", "first stage"].ideal
    assert ideal is not None
    assert ideal.value == 1  # two centroids of two queries are the queries
    other = rows["overlap", "held out", "first stage"].ideal
    assert other is not None
    assert other.value == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('first_stage = { use = "dense", object = "mine:Counts", cache = "CACHE" }', 'first_stage = { use = "judged" }',
         "takes lists as they are"),
        ("queries = 2", 'about = "zebra"\nqueries = 2', "no audited query of 'home' has the word 'zebra'"),
        ("plants = 2, ", "", "needs budget = { plants = 1 } or more"),
        ("plants = 2, ", "plants = 2, edits = 3, ", "edits is for"),
    ],
)  # fmt: skip
def test_what_could_not_be_measured_is_refused_before_anything_is_scored(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        audit.run(spec_of(tmp_path, "overlap", text=AUDIT.replace(old, new)), tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "use", "message"),
    [("attack", "plant_query", r"belongs under \[\[corpus.attack\]\]"),
     ("corpus.attack", "query_injection", r"belongs under \[\[attack\]\]")],
)  # fmt: skip
def test_attacks_stand_under_the_table_of_their_surface(tmp_path: Path, table: str, use: str, message: str) -> None:
    budget = "budget = { plants = 1 }" if table == "corpus.attack" else ""
    more = f'[[{table}]]\nname = "other"\nuse = "{use}"\n{budget}\n'
    with pytest.raises(PluginError, match=message):
        audit.run(spec_of(tmp_path, "overlap", more=more), tmp_path / "out")


def test_background_documents_are_searched_unjudged_and_part_of_the_digest(tmp_path: Path) -> None:
    spec_of(tmp_path, "overlap")
    other = tmp_path / "more"
    other.mkdir()
    texts: Sequence[tuple[str, str]] = [("alpha0", "alpha alpha"), ("x", "alpha common word word word word word")]
    (other / "corpus.jsonl").write_text("".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in texts))
    text = AUDIT.replace('path = "home"', 'path = "home"\nbackground = ["more"]')
    summary = audit.run(spec_of(tmp_path, "overlap", text=text), tmp_path / "out")
    plain = audit.run(spec_of(tmp_path, "overlap"), tmp_path / "plain")
    assert (summary.collections[0].documents, plain.collections[0].documents) == (25, 24)
    assert summary.collections[0].digest != plain.collections[0].digest
    assert any("left out): 1" in warning for warning in summary.collections[0].warnings)
    found = journal.read(tmp_path / "out", record_format()).values()
    lists = {r.query_id: list(r.doc_ids) for r in found if isinstance(r, RankingRecord)}
    assert lists["alpha"][0] == "more:alpha0"
    assert not any(doc_id.startswith("more:") for doc_id in lists["beta"])
