"""Malformed documents and faulty victims: every case is a record, and the rest of the audit goes on."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from random import Random

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.interfaces import Attack
from robustrank.core.types import Budget, Status
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.storage import journal
from robustrank.testing import WordWeights, make_case
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord
from robustrank_attacks.insertion.insert_hotflip import InsertHotFlip
from robustrank_attacks.insertion.insert_sentence import InsertSentence
from robustrank_attacks.insertion.insert_trigger import InsertTrigger
from robustrank_attacks.insertion.universal_trigger import UniversalTrigger
from robustrank_attacks.substitution.greedy_substitution import GreedySubstitution
from robustrank_attacks.substitution.list_transfer import ListTransfer
from robustrank_attacks.substitution.prada import Prada
from robustrank_attacks.substitution.random_edits import RandomEdits
from robustrank_attacks.substitution.word_substitution import WordSubstitution

ODD = {
    "empty": "",
    "blank": " \n\t ",
    "one word": "good",
    "nothing to substitute": "qzx vvkp of the",
    "emoji": "a good 👩‍👩‍👧 idea 🎉🎉 big",
    "right to left": "זהו מסמך good עם מילים كلمة جيدة",
    "markup": "<p onclick=\"x('big')\">good &amp; <b>old</b></p><script>alert(1)</script>",
    "out of every table": "zzyzx qwrtp 12345 _ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ﬁne",
    "20,000 words": "good old idea big " * 5_000,
}
ATTACKS: list[Attack] = [
    RandomEdits(),
    InsertSentence(),
    InsertHotFlip(restarts=1),
    InsertTrigger(surrogate=WordWeights(weights={"well": 1.0}), beam=2, most=2),
    UniversalTrigger(words=["good"], place="middle"),
    ListTransfer(),
    Prada(),
    *(WordSubstitution(access=access, pairs=8) for access in ("weights", "scores", "ranks")),
    *(GreedySubstitution(order=order) for order in ("delete", "unknown", "pwws", "beam")),
]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind == "20,000 words" else []) for kind in ODD]
)
@pytest.mark.parametrize("number", range(len(ATTACKS)))
def test_an_odd_document_gives_a_legal_text_or_none(kind: str, number: int) -> None:
    attack, budget = ATTACKS[number], Budget(edits=3, calls=20)
    ranker = MeteredRanker(WordWeights(weights={"well": 1.0, "thought": 1.0, "big": -1.0}))
    case = make_case(ranker, "query", [ODD[kind], "query query", "query"], 0)
    oracle = MeteredOracle(ranker, case, attack.threat, budget)
    done = attack.perturb(case, oracle, Random(0))
    assert verify(case, done, attack.threat, budget).violations == ()


AUDIT = """
name = "odd"
measures = ["nDCG@10"]
[[collection]]
name = "odd"
use = "jsonl"
documents = "FOLDER/corpus.jsonl"
topics = "FOLDER/queries.jsonl"
qrels = "FOLDER/qrels.jsonl"
first_stage = { use = "judged" }
[[ranker]]
name = "victim"
use = "callable"
function = "odd_victim:score"
[cases]
queries = 2
strata = ["2-9"]
targets = 8
[[attack]]
name = "ours"
use = "word_substitution"
pairs = 8
budget = { edits = 3 }
"""

VICTIMS = {
    "nan": ("[float('nan')] * len(docs)", "score nan"),
    "wrong number": ("[1.0] * (len(docs) + 1)", "scores for"),
    "raises": ("[1.0 / 0 for _ in docs]", "ZeroDivisionError"),
}


@pytest.mark.parametrize("fault", VICTIMS)
def test_a_victim_that_fails_on_attacked_texts_is_an_error_with_a_reason_and_the_audit_goes_on(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, reason = VICTIMS[fault]
    _write(tmp_path)
    (tmp_path / "odd_victim.py").write_text(
        f"CLEAN = {ODD['emoji']!r}\n"
        "def score(query, docs):\n"
        "    if any('🎉' in d and d != CLEAN for d in docs):\n"
        f"        return {answer}\n"
        "    return [float(len(d) % 97 + ('plain' in d) * 100) for d in docs]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.delitem(importlib.import_module("sys").modules, "odd_victim", raising=False)
    where = tmp_path / "audit"
    summary = audit.run(audit_file.parse(AUDIT.replace("FOLDER", str(tmp_path))), where)
    records = [r for r in journal.read(where, FORMAT).values() if isinstance(r, AttackRecord)]
    failed = [r for r in records if r.status is Status.ERROR]
    assert failed
    assert all(reason in r.error for r in failed)
    assert all(r.rank_after == r.rank_before for r in failed)
    assert any(r.status is Status.OK for r in records)
    assert summary.finished is not None
    assert summary.attacks[0].statuses[Status.ERROR] == len(failed)


def _write(folder: Path) -> None:
    texts = [*(text for kind, text in ODD.items() if kind != "20,000 words"), "plain words about nothing"]
    rows = [{"_id": f"d{i}", "text": text} for i, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    queries = [{"_id": q, "text": "good idea"} for q in ("q1", "q2")]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)) + "\n", encoding="utf-8")
    judged = [
        {"query_id": q, "doc_id": f"d{i}", "relevance": int(i == len(texts) - 1)}
        for q in ("q1", "q2")
        for i in range(len(texts))
    ]
    (folder / "qrels.jsonl").write_text("\n".join(map(json.dumps, judged)) + "\n", encoding="utf-8")
