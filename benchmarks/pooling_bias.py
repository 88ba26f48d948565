"""Training from labels that a pool left holes in, in a simulated world and on real judgments.

    python benchmarks/pooling_bias.py simulate OUT.json
    python benchmarks/pooling_bias.py train DATA STUDENT DENSE WORK DESIGN SEEDS   # resumable, a model a minute
    python benchmarks/pooling_bias.py holes DATA DENSE WORK OUT.json
    python benchmarks/pooling_bias.py tell WORK OUT.json

DATA has the collections nfcorpus, scifact and msmarco-dl19, STUDENT is a small cross-encoder to begin with, DENSE the
folder that ``dense_run.py`` wrote for nfcorpus (train, test), WORK keeps what is trained. DESIGN is ``full`` (all
judgments of nfcorpus train) or ``restricted`` (only those of documents in BM25's first ten, so that the pool is known).
Negatives of all methods but ``random`` and ``bm25`` come from the first 30 of the dense retriever.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from random import Random
from statistics import mean, stdev
from time import process_time
from typing import Any

from robustrank.collections import trec
from robustrank.collections.beir import Beir
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Silent
from robustrank.core.ranking import order
from robustrank.core.types import Collection
from robustrank.measures.effectiveness import per_query
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.retrieval.first_stage import first_stage
from robustrank.stats import comparisons
from robustrank.training import distill, simulated
from robustrank.training.coupled import Coupling
from robustrank.training.simulated import World

MEASURE, LENGTH, POOL = "nDCG@10", 80, 10
QUERIES, ASKED = 360, 150
DENSE = 'first_stage = {{ use = "run", path = "{dense}/nfcorpus-train.trec.gz" }}\nranks = [1, 30]\n'
EVIDENCE = 'evidence = [{{ use = "bm25" }}, {{ use = "run", path = "{dense}/nfcorpus-train.trec.gz" }}]\n'
METHODS = {
    "hard": DENSE,
    "cet": DENSE + EVIDENCE + "[stage.selection]\n",
    "random": "",
    "denoised": DENSE + 'filter = {{ use = "cross_encoder", model = "{student}", max_length = 80, share = 0.95 }}\n',
    "bm25": 'first_stage = {{ use = "bm25" }}\nranks = [1, 30]\n',
}
FILE = """name = "{name}"
seed = {seed}
exclude = ["{data}/nfcorpus", "{data}/scifact", "{data}/msmarco-dl19"]
[student]
model = "{student}"
max_length = {length}
[[stage]]
name = "labels"
dev = 36
schedule = {{ epochs = 2, lists = 8, size = 8, learning_rate = 3e-4, checkpoint = 33, patience = 99 }}
[[stage.judged]]
name = "nfcorpus"
path = "{labels}"
queries = {queries}
"""

Candidates = Mapping[str, list[str]]


def train(data: Path, student: Path, dense: Path, work: Path, design: str, seeds: str) -> None:
    labels = data / "nfcorpus" if design == "full" else restricted(data / "nfcorpus", work / "restricted")
    asked = list(tests(data, dense))
    _record(work / "models" / "student.json", lambda: measured(student, asked))
    for seed, method in sorted(product(map(int, seeds.split(",")), METHODS), key=lambda each: each[1] == "bm25"):
        name = f"{design}-{method}-{seed}"
        text = (FILE + METHODS[method]).format(
            name=name, seed=seed, data=data, student=student, length=LENGTH, labels=labels, queries=QUERIES, dense=dense
        )
        _record(work / "models" / f"{name}.json", lambda t=text, n=name: trained(t, n, work, asked))


def _record(path: Path, make: Any) -> None:
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(make()), encoding="utf-8")


def trained(text: str, name: str, work: Path, asked: list[tuple[str, Collection, Candidates]]) -> dict[str, Any]:
    file, begun = work / f"{name}.toml", process_time()
    file.write_text(text, encoding="utf-8")
    folder = distill.run(file, work / name, Silent())
    seconds = process_time() - begun
    course = json.loads((folder / "courses.json").read_text(encoding="utf-8"))["labels"]
    told = {"seconds": seconds, "history": course["history"], "figures": course["figures"]} | measured(folder, asked)
    shutil.rmtree(work / name)
    return told


def measured(folder: Path, asked: list[tuple[str, Collection, Candidates]]) -> dict[str, Any]:
    ranker, found = CrossEncoder(model=str(folder), max_length=LENGTH), {}
    for name, collection, candidates in asked:
        rankings = {}
        for query in collection.queries:
            if query.query_id in candidates:
                documents = [collection.documents[doc_id] for doc_id in candidates[query.query_id]]
                scores = ranker.score(query, documents)
                rankings[query.query_id] = order(list(zip(candidates[query.query_id], scores, strict=True)))
        qrels = {query_id: collection.qrels[query_id] for query_id in rankings}
        found[name] = per_query([MEASURE], rankings, qrels)[MEASURE]
    return {MEASURE: found}


def tests(data: Path, dense: Path) -> Iterator[tuple[str, Collection, Candidates]]:
    """Collections with the candidates that all rankers order: the best of BM25 and of a dense retriever."""
    dl19 = Beir(path=str(data / "msmarco-dl19"), qrels="qrels_full/test.tsv").load()
    for name, collection, depth, run in (
        ("nfcorpus test", Beir(path=str(data / "nfcorpus")).load(), 25, dense / "nfcorpus-test.trec.gz"),
        ("scifact test", Beir(path=str(data / "scifact")).load(), 30, None),
        ("msmarco-dl19", dl19, 30, data / "msmarco-dl19" / "runs" / "tasb.trec.gz"),
    ):
        queries = sorted(collection.queries)
        queries = Random(13).sample(queries, min(ASKED, len(queries)))
        stage = Plugin(use="run", params={"path": str(run).replace("tasb", "bm25")}) if name == "msmarco-dl19" else None
        runs = [first_stage(stage or Plugin(use="bm25"), collection, queries, depth)]
        if run is not None:
            more = trec.rankings(run)
            runs.append({query.query_id: list(more.get(query.query_id, ()))[:depth] for query in queries})
        yield name, collection, {q.query_id: sorted({d for r in runs for d in r[q.query_id]}) for q in queries}


def restricted(home: Path, folder: Path) -> Path:
    """The collection with the judgments of a pool: the first ten of BM25, whose other documents nobody looked at."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for file in home.glob("*.jsonl*"):
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file.resolve())
    collection = Beir(path=str(home), split="train").load()
    pool = first_stage(Plugin(use="bm25"), collection, collection.queries, POOL)
    rows = ["query-id\tcorpus-id\tscore"]
    for query_id, grades in collection.qrels.items():
        rows += [f"{query_id}\t{doc_id}\t{grades[doc_id]}" for doc_id in sorted(pool[query_id]) if doc_id in grades]
    (folder / "qrels" / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def holes(data: Path, dense: Path, work: Path) -> dict[str, Any]:
    """Of the documents that negatives are drawn from, the share that all judgments of nfcorpus train call relevant."""
    full = Beir(path=str(data / "nfcorpus"), split="train").load()
    known = Beir(path=str(restricted(data / "nfcorpus", work / "restricted")), split="train").load()
    run = trec.rankings(dense / "nfcorpus-train.trec.gz")
    pools: dict[str, Mapping[str, Any]] = {
        "dense, ranks 1-30": {query.query_id: run.get(query.query_id, ())[:30] for query in known.queries},
        "BM25, ranks 1-30": first_stage(Plugin(use="bm25"), known, known.queries, 30),
        "the whole collection": {query.query_id: sorted(known.documents) for query in known.queries},
    }
    shares = {}
    for name, pool in pools.items():
        drawn = [(q, d) for q, found in pool.items() for d in found if not known.qrels[q].get(d)]
        shares[name] = sum(full.qrels[q].get(d, 0) > 0 for q, d in drawn) / len(drawn)
    labels = [sum(len(grades) for grades in each.qrels.values()) for each in (full, known)]
    return {
        "queries": len(known.queries),
        "labels, full": labels[0],
        "labels, restricted": labels[1],
        "relevant": shares,
    }


def tell(work: Path) -> dict[str, Any]:
    """Means by method with seeds, and paired tests over queries of the seeds' means, corrected for their number."""
    models = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((work / "models").glob("*"))}
    told: dict[str, Any] = {"student": {name: mean(v.values()) for name, v in models["student"][MEASURE].items()}}
    for design in ("restricted", "full"):
        by = {method: _of(models, f"{design}-{method}-") for method in METHODS}
        by = {method: found for method, found in by.items() if found}
        if by:
            told[design] = _design(by)
    return told


def _of(models: Mapping[str, Any], prefix: str) -> list[Any]:
    return [model for name, model in models.items() if name.startswith(prefix)]


def _design(by: Mapping[str, list[Any]]) -> dict[str, Any]:
    tested = list(next(iter(by.values()))[0][MEASURE])
    methods: dict[str, Any] = {}
    for method, models in by.items():
        methods[method] = {
            "seeds": len(models),
            "seconds of training": round(mean(m["seconds"] for m in models), 1),
            "by seed": {t: [round(mean(m[MEASURE][t].values()), 4) for m in models] for t in tested},
        }
        if any(models[0]["figures"]):
            methods[method]["last figures"] = [m["figures"][-1] for m in models]
    pairs = [("cet", other) for other in by if other != "cet"] + [("hard", "random"), ("hard", "bm25")]
    rows = []
    for one, other in pairs:
        for test in tested if one in by and other in by else ():
            a, b = (_over_seeds(by[method], test) for method in (one, other))
            difference, p, _ = comparisons.paired(list(a.values()), [b[query] for query in a])
            rows.append({"better?": one, "than": other, "test": test, "difference": difference._asdict(), "p": p})
    for row, corrected in zip(rows, comparisons.holm([row["p"] for row in rows]), strict=True):
        row["p, Holm"] = corrected
    return {"methods": methods, "comparisons": rows}


def _over_seeds(models: list[Any], test: str) -> dict[str, float]:
    return {query: mean(model[MEASURE][test][query] for model in models) for query in sorted(models[0][MEASURE][test])}


def simulate(seeds: range = range(100, 120)) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, bias in (("biased", 3.0), ("uniform", 0.0)):
        world, found = World(bias=bias), {}
        for method in ("random", "hard", "coupled", "oracle"):
            values = []
            for seed in seeds:
                lists = simulated.draw(world, seed)
                scores = simulated.train(world, lists, method, Coupling(), seed)
                values.append(simulated.agreement(scores, lists.relevance))
            found[method] = values
        pairs = (("coupled", "hard"), ("coupled", "random"), ("coupled", "oracle"), ("hard", "random"))
        told[name] = {
            "tau": {m: {"mean": mean(v), "sd": stdev(v), "seeds": [round(x, 4) for x in v]} for m, v in found.items()},
            "differences": [_difference(one, other, found) for one, other in pairs],
        }
    return told


def _difference(one: str, other: str, found: Mapping[str, list[float]]) -> dict[str, Any]:
    difference, p, _ = comparisons.paired(found[one], found[other], bounds=(-2, 2))
    return {"one": one, "other": other, "difference": difference._asdict(), "p": p}


def main() -> None:
    command, *rest = sys.argv[1:]
    if command == "train":
        data, student, dense, work, design, seeds = rest
        train(*(Path(each).resolve() for each in (data, student, dense, work)), design, seeds)
        return
    if command == "holes":
        told = holes(*map(Path, rest[:3]))
    else:
        told = simulate() if command == "simulate" else tell(Path(rest[0]))
    Path(rest[-1]).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
