"""Detectors on an audit: known answers of planted ones, failures that are open, and where thresholds come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.detector_types import DetectorCard, Seen
from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.types import Document
from robustrank.core.words import words
from robustrank.judging import figures
from robustrank.plugins import registry
from robustrank.protocols import detection
from robustrank.protocols.detection.results import AgainstDetector, Detection
from robustrank.report import html
from robustrank.results.summary import Summary
from robustrank.work.clean_documents import drawn, sources
from robustrank.work.workbench import Workbench

RANKER = '''
import re

def overlap(query, texts):
    """Words of the query that a text has, each with a weight of its own, and something of the others."""
    asked = set(re.findall(r"\\w+", query.lower()))
    rows = [set(re.findall(r"\\w+", t.lower())) for t in texts]
    weight = lambda word: 1 + sum(map(ord, word)) % 97 / 200
    return [sum(weight(w) for w in asked & row) + sum(weight(w) for w in row - asked) / 1000 for row in rows]
'''
AUDIT = """
name = "detection"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
queries = 6
depth = 20
[cases]
queries = 6
[[ranker]]
name = "overlap"
use = "callable"
function = "mine:overlap"
[[attack]]
name = "paste"
use = "query_injection"
[[attack]]
name = "neutral"
use = "benign_insertion"
[detection]
{limit}
[[detection.source]]
name = "long"
use = "beir"
path = "long"
kind = "long texts"
[[detection.source]]
name = "few"
use = "beir"
path = "few"
[[detection.source]]
name = "same"
use = "beir"
path = "./home"
"""


def collection(folder: Path, *, documents: int, words: int, queries: int = 60) -> None:
    """Made-up documents of so many words; the first ones are relevant to a query of three of theirs."""
    rng = Random(folder.name)
    vocabulary = ["".join(rng.choice("bdfglmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(80)]
    texts = [" ".join(rng.choices(vocabulary, k=words)) for _ in range(documents)]
    asked = [" ".join(rng.sample(text.split(), 3)) for text in texts[:queries]]
    (folder / "qrels").mkdir(parents=True)
    for name, lines in (("corpus", texts), ("queries", asked)):
        rows = [json.dumps({"_id": f"{name}{at}", "text": text}) for at, text in enumerate(lines)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows))
    grades = [f"queries{at}\tcorpus{at}\t1" for at in range(queries)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *grades]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The attacked collection, and sources of longer texts; one of these has too few."""
    folder = tmp_path_factory.mktemp("data")
    collection(folder / "home", documents=1500, words=12)
    collection(folder / "long", documents=1300, words=20)
    collection(folder / "few", documents=300, words=20)
    (folder / "mine.py").write_text(RANKER)
    return folder


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A detector whose answers are known.

    Args:
        kind: ``"perfect"`` (1 where the query stands at the start), ``"length"`` (short texts are suspicious), or what
            it always does.
    """

    kind: str = "perfect"

    @property
    def card(self) -> DetectorCard:
        return DetectorCard(
            name=self.kind, fingerprint=self.kind, query=True,
            trained_on=("query_injection",) if self.kind == "constant" else (),
        )  # fmt: skip

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        assert seen.query is not None
        first, asked = ([word.text.lower() for word in words(text)][:3] for text in (document.text, seen.query.text))
        pasted = first == asked
        if self.kind == "raises" or (self.kind == "raises on attacks" and pasted):
            raise RuntimeError("no detector here")
        if self.kind == "relevant":  # ones of the attacked collection
            return float(int(document.doc_id.removeprefix("corpus")) < 60 and len(words(document.text)) < 18)
        values = {"perfect": float(pasted), "constant": 1.0, "nan": float("nan"), "silent": None}
        return values.get(self.kind, -float(len(document.text)))


@pytest.fixture
def audited(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Summary]:
    """An audit with planted detectors."""
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Planted if kind == "detector" else load(kind, name))
    monkeypatch.setattr(registry, "version", lambda kind, name: "made up")

    def run(*kinds: str, more: str = "", limit: str = "", top: str = AUDIT) -> Summary:
        tables = [f'[[detection.detector]]\nname = "{each}"\nuse = "planted"\nkind = "{each}"\n' for each in kinds]
        text = top.replace("{limit}", limit) + "".join(tables) + more
        return audit.run(audit_file.parse(text, folder=data), tmp_path / "out")

    return run


def result_of(summary: Summary) -> Detection:
    result: Detection | None = detection.PROTOCOL.result_in(summary)
    assert result is not None
    return result


def row_of(summary: Summary, detector: str, attack: str = "paste") -> AgainstDetector:
    (row,) = [r for r in result_of(summary).rows if (r.detector, r.attack) == (detector, attack)]
    return row


def test_a_perfect_detector_sees_every_attacked_text_and_a_constant_one_none(audited: Callable[..., Summary]) -> None:
    summary = audited("perfect", "constant")
    means = row_of(summary, "perfect").means
    assert means["AUC"].value > 0.99
    assert [means[n].value for n in ("own AUC", "detected@1%", "detected@5%")] == [1, 1, 1]
    assert means["before"].value > 0.9
    assert means["success after filtering@1%"].value == 0
    blind = row_of(summary, "constant")
    assert blind.means["AUC"].value == blind.means["own AUC"].value == 0.5
    assert blind.means["detected@5%"].value == 0
    assert blind.means["success after filtering@1%"] == blind.means["before"]
    assert blind.in_training
    assert not row_of(summary, "perfect").in_training
    assert row_of(summary, "perfect", "neutral").control
    assert row_of(summary, "perfect", "neutral").means["detected@1%"].value == 0
    perfect, constant = result_of(summary).detectors
    assert all(harm.change.value == 0 and harm.dropped == 0 for harm in constant.harm.values())
    assert perfect.thresholds["1%"] == 0


def test_figures_are_for_gates_and_the_report_shows_them(audited: Callable[..., Summary]) -> None:
    gates = """
[[gate]]
name = "seen"
measure = "detected@1%"
where = { detector = "perfect" }
min = 0.3
[[gate]]
name = "few false alarms"
measure = "false alarms@1%"
where = { detector = "perfect", source = "long" }
max = 0.2
[[gate]]
name = "nothing passes"
measure = "success after filtering@1%"
where = { detector = "perfect" }
max = 0.6
"""
    summary = audited("perfect", more=gates)
    assert [str(verdict.outcome) for verdict in summary.verdicts] == ["pass", "pass", "pass"], summary.verdicts
    told = {str(figure): figure for figure in figures.measured(summary)}
    assert any("detected@5%" in name for name in told)
    page = html.render(summary)
    assert 'id="detection"' in page
    assert "perfect on overlap: detections by false alarms" in page


def test_a_detector_that_fails_is_open_at_both_ends_and_no_gate_holds(audited: Callable[..., Summary]) -> None:
    gate = """
[[gate]]
name = "few pass"
measure = "success after filtering@1%"
where = { detector = "raises on attacks" }
max = 0.9
"""
    summary = audited("raises", "nan", "raises on attacks", more=gate)
    for kind in ("raises", "nan", "raises on attacks"):
        row = row_of(summary, kind)
        ends = row.ends["detected@1%"]
        assert "detected@1%" not in row.means
        assert (ends.low.value, ends.high.value) == (0, 1)
        low, high = row.ends["success after filtering@1%"]
        assert (low.value, high.value) == (0, row.means["before"].value)
        assert (row.tally.errors, row.tally.planned) == (6, 6)
    assert "no detector here" in result_of(summary).detectors[0].missing
    assert "no finite number" in result_of(summary).detectors[1].missing
    assert result_of(summary).detectors[2].error
    (verdict,) = summary.verdicts
    assert verdict.outcome == "invalid"


def test_thresholds_are_of_other_collections_and_clean_documents_stand_in_no_list(
    audited: Callable[..., Summary], data: Path
) -> None:
    summary = audited("length")
    (row,) = result_of(summary).detectors
    alarms = {each.source: each for each in row.alarms}
    assert {name: each.own for name, each in alarms.items()} == {"home": True, "long": False, "few": False}
    assert alarms["home"].shares["1%"].value == 1  # all of its texts are shorter than those of the other collection
    assert alarms["home"].left_out == alarms["home"].shares
    assert alarms["long"].shares["1%"].value <= 0.01
    assert not alarms["long"].left_out  # there is no other source
    assert alarms["home"].thresholds["1%"] > alarms["long"].thresholds["1%"] == row.thresholds["1%"]
    assert row.harm["1%"].dropped == 20  # all of a list: the order stays
    assert row.harm["1%"].change.value == 0
    bench = Workbench(audit_file.parse(AUDIT.replace("{limit}", ""), folder=data))
    assert sources(bench) == ["home", "long", "few"]  # the attacked collection under another name is left out
    listed = {doc.doc_id for docs in bench.lists("home").candidates.values() for doc in docs}
    for name in ("home", "long"):
        clean = drawn(bench, name)
        assert len({each.document.text for each in clean.candidates}) == len(clean.candidates) == 1000
        assert name != "home" or not listed.intersection(each.document.doc_id for each in clean.candidates)


def test_a_source_with_fewer_than_a_thousand_documents_tells_no_rate(audited: Callable[..., Summary]) -> None:
    (row,) = result_of(audited("perfect")).detectors
    few = next(each for each in row.alarms if each.source == "few")
    assert not few.shares
    assert not few.thresholds
    assert "of the 1,000 that a rate of 1 % takes" in few.missing
    summary = audited("perfect", limit="documents = 999")
    (row,) = result_of(summary).detectors
    assert not row.thresholds
    assert "999 clean documents, of the 1,000" in row.missing
    assert all(not each.shares for each in row.alarms)
    told = row_of(summary, "perfect")
    assert "detected@1%" not in told.means
    assert (told.ends["detected@1%"].low.value, told.ends["detected@1%"].high.value) == (0, 1)


def test_filtering_clean_lists_costs_what_is_dropped(audited: Callable[..., Summary]) -> None:
    (row,) = result_of(audited("relevant")).detectors
    harm = row.harm["1%"]
    assert 1 <= harm.dropped < 20
    assert harm.change.value < -0.5
    assert harm.undecided == 0


def test_without_the_table_nothing_is_asked_of_detectors(audited: Callable[..., Summary]) -> None:
    summary = audited(top=AUDIT[: AUDIT.index("[detection]")])
    assert detection.PROTOCOL.result_in(summary) is None
    assert not any("false alarms" in figure.measure for figure in figures.measured(summary))


def test_what_is_no_detector_and_a_source_named_like_the_collection_are_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = AUDIT.replace("{limit}", "")
    with pytest.raises(ConfigError, match="another `name`"):
        audit_file.parse(text + '[[detection.source]]\nname = "home"\nuse = "selqa"\n')
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Fraction if kind == "detector" else load(kind, name))
    spec = audit_file.parse(text + '[[detection.detector]]\nuse = "planted"\n', folder=data)
    with pytest.raises(PluginError, match="suspicion"):
        Workbench(spec).check()
