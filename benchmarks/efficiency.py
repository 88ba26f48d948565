"""Throughput of the attack loop and of a whole audit, as shares of the bare forward pass.

``python benchmarks/efficiency.py [--queries N] [--attacks NAME ...]``: one process, one thread, CPU seconds. An audit
of TREC DL 2021 with robustrank-tiny and BM25 runs on the serial executor; every pair that robustrank-tiny was asked is
kept, and scored once more from its texts afterwards, tokenising included: the bare forward pass. *Loop* is the time
inside the attacks, *audit* all of it: loading, first stage, lists, attacks, verification, similarity, quality, records,
summary and report.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import process_time
from typing import Any

import torch

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.rankers.cross_encoder import CrossEncoder, _Batched
from robustrank.work import attack as attack_task

FILE = """
name = "efficiency"
measures = ["nDCG@10"]
baseline = "BM25"
[[collection]]
name = "dl21"
use = "beir"
path = "{data}/msmarco-dl21"
split = "test"
depth = 50
queries = {queries}
[[ranker]]
name = "BM25"
use = "bm25"
attacked = false
[[ranker]]
name = "tiny"
use = "cross_encoder"
model = "robustrank-tiny"
[cases]
queries = {queries}
strata = ["11-20", "21-50"]
"""
BATCHES = (4, 32)
"""Pairs a call of the bare forward pass: as many as the attacks ask at once, and as many as a batch of the ranker."""

ATTACKS = {
    "word_substitution": {"budget": "{ edits = 10 }"},
    "word_insertion": {"budget": "{ edits = 5, calls = 100 }"},
    "random_edits": {"budget": "{ edits = 10 }"},
}


FORWARD = _Batched.logits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--queries", type=int, default=53)
    parser.add_argument("--attacks", nargs="*", default=["word_substitution", "random_edits"])
    parser.add_argument("--profile")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = FILE.format(data=Path(options.data).resolve(), queries=options.queries)
    for name in options.attacks:
        keys = "\n".join(f"{key} = {value}" for key, value in ATTACKS[name].items())
        text += f'[[attack]]\nname = "{name}"\nuse = "{name}"\n{keys}\n'
    asked: dict[str, list[str]] = defaultdict(list)
    spent: dict[str, float] = defaultdict(float)
    _note_pairs(asked)
    _time_attacks(spent, asked)
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "efficiency.toml"
        file.write_text(text)
        spec = audit_file.load(file)
        started = process_time()
        summary = _profiled(options.profile, lambda: audit.run(spec, audit.folder(spec, Path(root))))
        spent["audit"] = process_time() - started
    asked = {query: list(texts) for query, texts in asked.items()}
    pairs = sum(map(len, asked.values()))
    by_batch = {batch: _bare(asked, batch) for batch in BATCHES}
    replayed = {batch: spent.pop(f"bare after each attack, {batch} pairs a call") for batch in BATCHES}
    spent["audit"] -= sum(replayed.values())
    figures = {
        "pairs of robustrank-tiny": pairs,
        "bare pairs/s, by pairs a call": {batch: round(pairs / value) for batch, value in by_batch.items()},
        "share of the attack loop": {batch: round(value / spent["attacks"], 3) for batch, value in replayed.items()},
        "share of the audit": {batch: round(value / spent["audit"], 3) for batch, value in by_batch.items()},
        "CPU seconds": {name: round(value, 2) for name, value in spent.items()},
        "seconds measuring similarity": summary.environment.get("measuring_seconds"),
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def _profiled(out: str | None, step: Any) -> Any:
    if out is None:
        return step()
    import cProfile

    profile = cProfile.Profile()
    try:
        return profile.runcall(step)
    finally:
        profile.dump_stats(out)


def _note_pairs(asked: dict[str, list[str]]) -> None:
    """Keep what the model is asked."""

    def logits(self: Any, query: str, texts: Any) -> list[float]:
        asked[query].extend(texts)
        return FORWARD(self, query, texts)

    _Batched.logits = logits  # type: ignore[method-assign]


def _time_attacks(spent: dict[str, float], asked: dict[str, list[str]]) -> None:
    """Time what the harness calls of an attack, and right after it the bare forward pass of the same pairs."""
    inner = attack_task._acted

    def acted(attack: Any, case: Any, oracle: Any, rng: Any) -> Any:
        before = len(asked[case.query.text])
        started = process_time()
        try:
            return inner(attack, case, oracle, rng)
        finally:
            spent["attacks"] += process_time() - started
            texts = {case.query.text: asked[case.query.text][before:]}
            for batch in BATCHES:
                spent[f"bare after each attack, {batch} pairs a call"] += _bare(texts, batch)

    attack_task._acted = acted


def _bare(asked: dict[str, list[str]], batch: int) -> float:
    backend: Any = CrossEncoder(model="robustrank-tiny")._backend
    started = process_time()
    for query, texts in asked.items():
        for at in range(0, len(texts), batch):
            FORWARD(backend, query, texts[at : at + batch])
    return process_time() - started


if __name__ == "__main__":
    main()
