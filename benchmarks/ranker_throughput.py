"""Pairs a second of each ranker beside plain torch: ``python benchmarks/ranker_throughput.py [LISTS [ROUNDS]]``.

The baseline is the bundled cross-encoder's dequantised twin in torch fp32, in batches of 32 by length. Rankers take
turns, so that whatever else the machine does hits all of them; the ratio is the median over rounds, of wall time and of
processor time. Each round scores LISTS lists of 20 candidates, in texts that no ranker has seen before, because
bi-encoders remember them. A table goes to standard error, JSON to standard output.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from robustrank.collections.bundled import SciFact, SelQA
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.bm25 import BM25
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.rankers.models import weights
from robustrank.rankers.models.onnx_int8 import dequantise
from robustrank.retrieval.first_stage import first_stage

BASELINE = "cross_encoder, torch fp32"
DEPTH = 20

List = tuple[Query, list[Document]]
Seconds = tuple[float, float]


def main() -> None:
    lists, rounds = (int(value) for value in (*sys.argv[1:], *("3", "3")[len(sys.argv) - 1 :]))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        twin = CrossEncoder(model=str(save_twin(Path(folder))), device="cpu")
        for collection in (SciFact().load(), SelQA().load()):
            rankers: dict[str, Ranker] = {
                BASELINE: twin,
                "cross_encoder, int8 one by one": CrossEncoder(),
                "bi_encoder": BiEncoder(),
                "bm25": BM25().fit(collection),
            }
            taken = measure(rankers, candidates(collection, lists), rounds)
            results += list(rows(collection.name, taken, lists * DEPTH))
    sys.stdout.write(
        json.dumps({"lists": lists, "depth": DEPTH, "rounds": rounds, "results": results}, indent=1) + "\n"
    )


def save_twin(folder: Path) -> Path:
    """The dequantised model as any user's local folder."""
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = Path(weights.resolve("ms-marco-MiniLM-L-12-v2"))
    dequantise(source / "model.onnx").save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json")).save_pretrained(folder)
    return folder


def candidates(collection: Collection, lists: int) -> list[List]:
    """The first queries with a full list of candidates."""
    found = first_stage(Plugin(use="bm25"), collection, collection.queries[: 3 * lists], DEPTH)
    full = [query for query in collection.queries if len(found.get(query.query_id, ())) == DEPTH][:lists]
    return [(query, [collection.documents[doc_id] for doc_id in found[query.query_id]]) for query in full]


def measure(rankers: dict[str, Ranker], lists: list[List], rounds: int) -> dict[str, list[Seconds]]:
    """Wall and processor seconds of each ranker in each round; the first call of each, which loads it, is left out."""
    for ranker in rankers.values():
        ranker.score(*lists[0])
    taken: dict[str, list[Seconds]] = {name: [] for name in rankers}
    for turn in range(rounds):
        fresh = [(query, [doc._replace(text=f"{doc.text} {turn}") for doc in docs]) for query, docs in lists]
        for name, ranker in rankers.items():
            wall, processor = perf_counter(), process_time()
            for query, docs in fresh:
                ranker.score(query, docs)
            taken[name].append((perf_counter() - wall, process_time() - processor))
    return taken


def rows(collection: str, taken: dict[str, list[Seconds]], pairs: int) -> Iterator[dict[str, str | float]]:
    """One row a ranker, also printed."""
    sys.stderr.write(f"\n{collection:32}{'pairs/s':>10}{'ratio':>9}{'pairs/CPU s':>13}{'ratio':>9}\n")
    for name, seconds in taken.items():
        row: dict[str, str | float] = {"collection": collection, "ranker": name}
        for place, kind in enumerate(("wall", "processor")):
            row[f"pairs_per_{kind}_second"] = round(pairs / median(s[place] for s in seconds), 1)
            ratios = (base[place] / own[place] for base, own in zip(taken[BASELINE], seconds, strict=True))
            row[f"{kind}_ratio_to_baseline"] = round(median(ratios), 2)
        sys.stderr.write(
            f"{name:32}{row['pairs_per_wall_second']:>10}{row['wall_ratio_to_baseline']:>9}"
            f"{row['pairs_per_processor_second']:>13}{row['processor_ratio_to_baseline']:>9}\n"
        )
        yield row


if __name__ == "__main__":
    main()
