"""Texts made against one ranker, before the others: known answers, failures, and what is asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from robustrank.auditing import cost
from robustrank.auditing import run as audit
from robustrank.auditing.plan import read_plan
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.protocols import transfer
from robustrank.protocols.installed import record_format
from robustrank.results.summary import Summary
from robustrank.storage import journal
from robustrank.work.records import AttackRecord
from robustrank.work.transfer_records import TransferRecord

RANKERS = '''
import re

def overlap(query, texts):
    """Words of the query that a text has; of texts that have as many, the shorter one."""
    asked = set(re.findall(r"\\w+", query.lower()))
    return [len(asked & set(re.findall(r"\\w+", t.lower()))) - len(t) / 1e6 for t in texts]

def again(query, texts):
    return overlap(query, texts)

def short(query, texts):
    return [-float(len(t)) for t in texts]

def down(query, texts):
    if sum(map(ord, query)) % 4 == 0:
        raise RuntimeError("the ranker is down")
    return overlap(query, texts)

def fails(query, texts):
    if len(texts) == 1 and texts[0][:12].lower() == query[:12].lower():
        raise RuntimeError("no pasted queries here")
    return overlap(query, texts)
'''
AUDIT = """
name = "transfer"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 8
depth = 30
[cases]
queries = 8
[[attack]]
name = "paste"
use = "query_injection"
[[attack]]
name = "neutral"
use = "benign_insertion"
"""
RANKER = """
[[ranker]]
name = "{0}"
use = "callable"
function = "mine:{0}"
"""
Run = Callable[..., Summary]


def spec_of(folder: Path, *names: str, more: str = "") -> AuditSpec:
    (folder / "mine.py").write_text(RANKERS)
    return audit_file.parse(AUDIT + "".join(map(RANKER.format, names)) + more, folder=folder)


def cells(summary: Summary) -> dict[tuple[str, str, str], transfer.Cell]:
    result = transfer.PROTOCOL.result_in(summary)
    return {(c.source, c.ranker, c.attack): c for c in result.cells} if result else {}


def test_texts_do_to_an_equal_ranker_what_they_did_and_nothing_to_one_that_does_not_read(tmp_path: Path) -> None:
    summary = audit.run(spec_of(tmp_path, "overlap", "again", "short"), tmp_path / "out")
    found = cells(summary)
    assert len(found) == 6 * 3  # every two rankers, two attacks and all
    attacked = {(r.ranker, r.attack): r for r in summary.attacks if r.stratum == "all"}
    equal = found["overlap", "again", "paste"]
    assert equal.reached is not None
    assert equal.reached.value == attacked["overlap", "paste"].success["ASR@10"].value == equal.there > 0.9
    assert equal.promoted is not None
    assert equal.promoted.value == attacked["overlap", "paste"].success["promoted"].value
    other = found["overlap", "short", "paste"]
    assert other.promoted is not None
    assert other.promoted.value == 0  # a longer text is lower
    assert found["overlap", "again", "all"].reached == equal.reached  # the control is left out
    assert found["overlap", "again", "neutral"].control


def test_a_ranker_that_fails_is_open_and_no_evidence(tmp_path: Path) -> None:
    text = '[[gate]]\nname = "g"\nmeasure = "transfer@10"\nwhere = {{ source = "overlap", ranker = "{}" }}\nmax = 0.9\n'
    summary = audit.run(spec_of(tmp_path, "overlap", "fails", more=text.format("fails")), tmp_path / "out")
    cell = cells(summary)["overlap", "fails", "paste"]
    failed = cell.tally.errors
    assert 5 <= failed < cell.tally.planned == 8
    assert cell.reached is not None
    assert cell.reached.n == 8 - failed
    assert cell.ends is not None
    assert (cell.ends.low.value, cell.ends.high.value) == (1 - failed / 8, 1.0)
    assert cell.open == dict.fromkeys(cell.open, (0.0, 1.0))
    assert len(cell.open) == failed
    (verdict,) = summary.verdicts
    assert verdict.outcome == "invalid"
    assert "no pasted queries here" in verdict.reason


def test_lists_that_a_ranker_cannot_rank_are_open(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "overlap", "down")
    summary = audit.run(spec, tmp_path / "out")
    failed = {r.name: r for r in summary.rankers}["down"].tasks["ranking"].errors
    assert 1 <= failed < 8
    cell = cells(summary)["overlap", "down", "paste"]
    assert (cell.tally.planned, cell.tally.errors) == (8, failed)
    assert list(cell.open.values()) == [(0.0, 1.0)] * failed
    assert cell.ends is not None


def test_tasks_are_planned_resumed_and_left_out_where_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, where = spec_of(tmp_path, "overlap", "short"), tmp_path / "out"
    foreseen = {c.ranker: (c.tasks, c.pairs) for c in cost.plan(spec).costs if c.phase == "transfer"}
    audit.run(spec, where)
    records = journal.read(where, record_format())
    made = [r for r in records.values() if isinstance(r, TransferRecord)]
    changed = [r for r in records.values() if isinstance(r, AttackRecord) and r.after != r.before]
    assert len(made) == len(changed) == sum(tasks for tasks, _ in foreseen.values())
    assert sum(r.pairs for r in made) == sum(pairs for _, pairs in foreseen.values()) == len(made)
    assert set(read_plan(where).phases["transfer"]) == {r.key for r in made}
    lines = (where / "records" / "main.jsonl").read_bytes()
    audit.run(spec, where)
    assert (where / "records" / "main.jsonl").read_bytes() == lines
    off = audit_file.parse(spec.source.replace("[cases]", "[cases]\ntransfer = false"), folder=tmp_path)
    assert not cells(audit.run(off, tmp_path / "off"))


def test_texts_of_an_attack_that_is_gone_are_not_put_before_anyone(tmp_path: Path) -> None:
    spec, where = spec_of(tmp_path, "overlap", "short"), tmp_path / "out"
    audit.run(spec, where)
    source = spec.source.replace('use = "query_injection"', 'use = "query_injection"\nbudget = { edits = 1 }')
    fewer = audit_file.parse(source, folder=tmp_path)
    summary = audit.run(fewer, where)
    for cell in cells(summary).values():
        assert cell.tally.planned <= 8 * (1 + (cell.attack == "all"))
    assert {c.attack for c in cells(summary).values()} == {"paste", "neutral", "all"}
