"""Train the detector ``trained_classifier`` again: ``python tools/train_detector.py SHARED``.

SHARED is the folder with the data sets ``cranfield``, ``cisi`` and ``medquad-liveqa`` in BEIR layout, none of which
``reports/detection`` calibrates or judges detectors on. BM25 is attacked, clean documents are those of the same lists,
and scikit-learn (extra ``topics``; the trigram model is in ``fluency``) fits the weights: of all families of attacks,
and without each. Prints, for each family, how well a classifier tells its texts from clean documents of a collection
that it was not trained on, with and without training on the family.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.detector_types import DetectorCard, shown
from robustrank.core.types import Document, Query
from robustrank.measures.detection import placements
from robustrank.protocols.installed import record_format
from robustrank.storage import journal
from robustrank.work.detection import changed
from robustrank.work.records import AttackRecord
from robustrank.work.workbench import Workbench
from robustrank_defenses.detectors.trained_classifier import FEATURES, features

OUT = Path(__file__).parents[1] / "defenses" / "robustrank_defenses" / "detectors" / "trained.json"
QUERIES, DEPTH = 16, 20
FAMILIES = {
    "query": ['use = "query_injection"', 'use = "query_injection"\nplace = "interleave"', 'use = "term_stuffing"'],
    "sentences": ['use = "template_sentence"', 'use = "copy_best_sentence"', 'use = "payload"'],
    "words": ['use = "word_insertion"\naccess = "ranks"\nbudget = { edits = 5, calls = 30 }'],
    "synonyms": [
        'use = "prada"\nimportance = "leave_one_out"\nbudget = { edits = 10, calls = 60 }',
        'use = "greedy_substitution"\nbudget = { edits = 10, calls = 60 }',
    ],
    "characters": ['use = "characters"', 'use = "characters"\nfamilies = ["hidden_tags"]\ngoal = "promote"'],
}
"""Family to tables of attacks."""
COLLECTIONS = {"cranfield": "test", "cisi": "test", "medquad-liveqa": "train"}
"""Folder to split."""
CARD = DetectorCard(name="all of them", fingerprint="", query=True, others=True)
"""What the detectors are shown."""
Array = NDArray[np.float64]


class Row(NamedTuple):
    """The features of a text; its family is empty where it is a clean document."""

    collection: str
    family: str
    values: Sequence[float]


def main() -> int:
    """Attack, fit, write and print."""
    rows: list[Row] = []
    for name in COLLECTIONS:
        rows += texts(name, Path(sys.argv[1]).resolve())
        sys.stderr.write(f"{name}: {len(rows)} texts\n")
    models = {left_out: fitted([r for r in rows if r.family != left_out or not r.family]) for left_out in FAMILIES}
    plugins = {family: sorted({table.split('"')[1] for table in tables}) for family, tables in FAMILIES.items()}
    body = {"features": list(FEATURES), "families": plugins, "models": {"": fitted(rows), **models}}
    OUT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    for family in FAMILIES:
        with_it, without = (auc(rows, family, trained_on=each) for each in (True, False))
        n = sum(row.family == family for row in rows)
        print(f"{family}: AUC {without:.3f} where left out, {with_it:.3f} where trained on, n={n}")
    return 0


def texts(name: str, shared: Path) -> list[Row]:
    """Clean documents and attacked texts of one collection."""
    attacks = {f"{family} {at}": table for family, tables in FAMILIES.items() for at, table in enumerate(tables)}
    audit_text = f"""
name = "train"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "{(shared / name).as_posix()}"
split = "{COLLECTIONS[name]}"
queries = {QUERIES}
depth = {DEPTH}
[cases]
queries = {QUERIES}
transfer = false
[[ranker]]
name = "bm25"
use = "bm25"
"""
    spec = audit_file.parse(audit_text + "".join(f'[[attack]]\nname = "{each}"\n{attacks[each]}\n' for each in attacks))
    with TemporaryDirectory() as out:
        audit.run(spec, Path(out))
        records = journal.read(Path(out), record_format()).values()
    lists = Workbench(spec).lists(spec.home.name)
    rows = []
    for query_id, docs in lists.candidates.items():
        rows += [Row(name, "", each) for each in of_texts(lists.queries[query_id], docs, docs)]
    for record in records:
        if isinstance(record, AttackRecord) and changed(record):
            docs, text = lists.candidates[record.query_id], [Document(record.doc_id, record.after)]
            values = of_texts(lists.queries[record.query_id], text, docs)
            rows += [Row(name, record.attack.split()[0], each) for each in values]
    return rows


def of_texts(query: Query, documents: Sequence[Document], listed: Sequence[Document]) -> list[Sequence[float]]:
    """Features of documents in a list, but for those of which a detector cannot tell."""
    every = [features(each, shown(CARD, each, query=query, documents=listed)) for each in documents]
    return [each for each in every if each is not None]


def fitted(rows: Sequence[Row]) -> dict[str, Any]:
    """Weights of logistic regression, clean against attacked, each family as heavy as any."""
    values, labels = np.array([row.values for row in rows]), np.array([row.family for row in rows])
    mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-9
    families = sorted(set(labels.tolist()) - {""})
    weight = np.where(labels == "", 1 / (labels == "").sum(), 0.0)
    for family in families:
        weight[labels == family] = 1 / (len(families) * (labels == family).sum())
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit((values - mean) / scale, labels != "", sample_weight=weight * len(labels) / 2)
    numbers = {"mean": mean, "scale": scale, "weights": model.coef_[0]}
    return {
        **{name: [float(f"{x:.6g}") for x in each] for name, each in numbers.items()},
        "intercept": float(f"{model.intercept_[0]:.6g}"),
    }


def auc(rows: Sequence[Row], family: str, *, trained_on: bool) -> float:
    """Mean over collections of the AUC where nothing of the collection was trained on."""
    every = []
    for name in COLLECTIONS:
        model = fitted([r for r in rows if r.collection != name and (trained_on or r.family != family)])
        attacked, clean = (
            logits([r.values for r in rows if r.collection == name and r.family == kind], model)
            for kind in (family, "")
        )
        every.append(np.mean(placements(attacked.tolist(), clean.tolist())))
    return float(np.mean(every))


def logits(values: Sequence[Sequence[float]], model: dict[str, Any]) -> Array:
    """What a classifier says."""
    mean, scale, weights = (np.array(model[name]) for name in ("mean", "scale", "weights"))
    return (np.array(values) - mean) / scale @ weights + model["intercept"]


if __name__ == "__main__":
    sys.exit(main())
