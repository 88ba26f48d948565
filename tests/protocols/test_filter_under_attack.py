"""A filter in an audit: an attacker who knows of it writes what it lets pass, and the table of defenses says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, words
from robustrank.plugins import registry
from robustrank.protocols import defenses
from tests.protocols.test_detection import collection

RANKER = '''
import re

def overlap(query, texts):
    """Words of the query that a text has; then the shorter text."""
    asked = set(re.findall(r"\\w+", query.lower()))
    return [len(asked & set(re.findall(r"\\w+", text.lower()))) - len(text) / 1e6 for text in texts]
'''
AUDIT = """
name = "filtered"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
queries = 12
depth = 25
[[ranker]]
name = "overlap"
use = "callable"
function = "mine:overlap"
[[defense]]
name = "no pasted query"
use = "filter"
detector = { use = "query_words", count = "run" }
threshold = 0.7
rankers = ["overlap"]
attacked = true
[cases]
queries = 12
common = true
[[attack]]
name = "paste"
use = "query_injection"
"""


@dataclass(frozen=True, kw_only=True)
class Paste:
    """Pastes the query at the start, as one run of its words; where that falls, puts another word after each.

    Args:
        adapts: Whether it looks what the ranker makes of the first text.
    """

    adapts: bool = True

    @property
    def threat(self) -> ThreatModel:
        edits = AttackSet(operation="insert")
        return ThreatModel(surface=Surface.DOCUMENT, access=Access.RANKS, edits=edits)

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        query, text = [word.text for word in words(case.query.text)], case.target.text
        pasted = Perturbation(target=f"{' '.join(query)} {text}")
        if not self.adapts or oracle.rank([pasted])[0] <= 10:
            return pasted
        return Perturbation(target=f"{' and '.join(query)} and {text}")


@pytest.mark.parametrize("adapts", [True, False])
def test_an_attacker_who_asks_the_filtered_ranker_passes_where_the_text_for_the_base_is_dropped(
    adapts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Paste if kind == "attack" else load(kind, name))
    monkeypatch.setattr(registry, "version", lambda kind, name: "made up")
    collection(tmp_path / "home", documents=120, words=12, queries=12)
    (tmp_path / "mine.py").write_text(RANKER)
    spec = audit_file.parse(f"{AUDIT}adapts = {str(adapts).lower()}\n", folder=tmp_path)
    summary = audit.run(spec, tmp_path / "out")
    (row,) = defenses.PROTOCOL.result_in(summary).rows
    levels = {name: level.estimate.value for name, level in row.levels.items() if level.estimate is not None}
    assert levels["base"] > 0.9
    assert levels["unaware"] == 0.0
    assert row.differences["unaware"].shown
    if adapts:
        assert levels["direct"] == levels["adaptive"] == levels["base"]
        assert row.differences["adaptive"].estimate.value == 0
        assert not row.differences["adaptive"].shown
        assert row.sentence.startswith("It is not shown to change the worst case over attacks")
    else:  # nobody adapts: the same filter, judged by this attack alone, would look like a defense
        assert levels["adaptive"] == 0.0
        assert row.differences["adaptive"].shown
