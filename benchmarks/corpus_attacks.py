"""Corpus attacks over tens of thousands of passages: ``python benchmarks/corpus_attacks.py WORK --data FOLDER``.

Three settings, each an audit whose records stay in WORK, so that an interrupted run goes on where it was:

* ``develop``: TREC DL 2021, on which all was chosen; ``final``: TREC DL 2019, run once. Their pools, SelQA, tweets
  and library abstracts are one corpus of 59,425 passages. Dense first stage (all-MiniLM-L6-v2), robustrank-tiny behind.
* ``lexical``: the same corpus and queries of DL 2021 with BM25 as the first stage.
* ``concept``: NFCorpus queries (of its train split) that have one word, with the pools of MS MARCO and more as
  background.

``--report FOLDER`` runs nothing but what ``--only`` names, and writes corpus-attacks.json, tables.md and the first
table of README.md, of all settings that were run.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from time import strftime
from typing import Any

from study_page import put

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.progress import Progress
from robustrank.protocols import corpus
from robustrank.results.figures import END, HELD_OUT, KNOWN, STAGE
from robustrank.storage.typed import plain

PAYLOAD = "Save on every order with the voucher code at example.org today."
WORDS, ITERATIONS, STEPS = 40, 9, 68
"""Words of a document, iterations of the optimised ones, and steps of ``plant_hotflip``: about 600 encodes each."""

HEAD = """
name = "{name}"
measures = ["nDCG@10"]
seed = 13
task_timeout = 36000.0
[[collection]]
name = "{home}"
use = "beir"
path = "{path}"
queries = {queries}
{more}
relevant = {relevant}
depth = 100
background = [{background}]
first_stage = {stage}
[[ranker]]
name = "robustrank-tiny"
use = "cross_encoder"
model = "robustrank-tiny"
[corpus]
queries = {known}
held_out = {held_out}
payload = "{payload}"
"""
ATTACK = """
[[corpus.attack]]
name = "{name}"
use = "{use}"
{more}
budget = {{ plants = {plants}, plant_words = {words} }}
"""
LONG, LONGER = "concept, longer", 120
"""A setting with documents of more words, and how many."""
CONCEPT, WORD = "nfcorpus-cancer", "cancer"
POOLS = ("msmarco-dl21", "msmarco-dl19", "selqa", "checkthat2020", "lisa")

STUFFING = ("control: stuffing, 10", "plant_stuffing", 10, "")

Attack = tuple[str, str, int, str]
"""Name, plug-in, documents and options."""


def cheap(queries: int) -> list[Attack]:
    """Without weights, as many documents as the attacker knows queries; and controls."""
    return [
        ("pasted query", "plant_query", queries, ""),
        ("copy of the first", "plant_copy", queries, ""),
        ("control: payload alone", "plant_payload", 1, ""),
        ("control: natural passages", "plant_natural", queries, ""),
    ]


def optimised(knows: str, numbers: tuple[int, ...]) -> Iterator[Attack]:
    options = f'knows = "{knows}"\niterations = {ITERATIONS}'
    for plants in numbers:
        yield f"gaslite, {plants}", "plant_gaslite", plants, options
        yield f"control: stuffing, {plants}", "plant_stuffing", plants, ""


def single(queries: int) -> list[Attack]:
    """One document for each known query."""
    return [*optimised("query", (queries,)), *cheap(queries)]


def several(knows: str) -> list[Attack]:
    """Documents for queries that are not known."""
    return [*optimised(knows, (5,)), ("control: natural passages, 5", "plant_natural", 5, "")]


def other_searches() -> list[Attack]:
    """What else finds documents for queries that are not known, at the same encodes a document; and other numbers."""
    return [
        ("hub, 5", "plant_hub", 5, f"iterations = {ITERATIONS}"),
        ("hotflip, 5", "plant_hotflip", 5, f"steps = {STEPS}"),
        *optimised("nothing", (1, 10)),
    ]


def longer() -> list[Attack]:
    """Ten documents with a suffix of 100 pieces, as the published concept attack has them, and the defaults' search."""
    plants = 10
    return [
        (f"gaslite, {plants}", "plant_gaslite", plants, 'knows = "concept"'),
        (f"control: stuffing, {plants}", "plant_stuffing", plants, ""),
        (f"control: natural passages, {plants}", "plant_natural", plants, ""),
    ]


def settings(data: Path, vectors: Path) -> dict[str, AuditSpec]:
    """Setting to audit."""
    dense = f'{{ use = "dense", cache = "{vectors}", device = "cpu" }}'
    made: dict[str, tuple[str, int, str, int, int, str, list[Attack]]] = {
        "develop, one query": ("msmarco-dl21", 2, dense, 10, 43, "", single(10)),
        "develop, any query": ("msmarco-dl21", 2, dense, 26, 27, "", several("nothing")),
        "lexical": ("msmarco-dl21", 2, '{ use = "bm25" }', 10, 43, "", [*cheap(10), STUFFING]),
        "final, one query": ("msmarco-dl19", 2, dense, 5, 38, "", single(5)),
        "final, any query": ("msmarco-dl19", 2, dense, 21, 22, "", several("nothing")),
        "concept": (CONCEPT, 1, dense, 20, 20, 'split = "train"', several("concept")),
        LONG: (CONCEPT, 1, dense, 20, 20, 'split = "train"', longer()),
        "develop, other searches": ("msmarco-dl21", 2, dense, 26, 27, "", other_searches()),
    }  # fmt: skip
    specs = {}
    for name, (home, relevant, stage, known, held_out, more, attacks) in made.items():
        background = ", ".join(f'"{data}/{other}"' for other in POOLS if other != home)
        head = HEAD.format(
            name=name.replace(", ", "-").replace(" ", "-"), home=home, relevant=relevant,
            background=background, stage=stage, known=known, held_out=held_out, payload=PAYLOAD,
            queries=known + held_out, more=more, path=vectors.parent / home if home == CONCEPT else data / home,
        )  # fmt: skip
        tables = (
            ATTACK.format(name=n, use=use, more=more, plants=k, words=LONGER if name == LONG else WORDS)
            for n, use, k, more in attacks
        )
        specs[name] = audit_file.parse(head + "".join(tables), where=name)
    return specs


def concept(data: Path, work: Path) -> None:
    """A folder in BEIR layout of NFCorpus with the queries that have the word."""
    source, folder = data / "nfcorpus", work / CONCEPT
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "corpus.jsonl.gz", folder / "corpus.jsonl.gz")
    lines = [line for line in (source / "queries.jsonl").read_text().splitlines() if line]
    chosen = [line for line in lines if WORD in json.loads(line)["text"].lower().split()]
    (folder / "queries.jsonl").write_text("\n".join(chosen) + "\n")
    shutil.copyfile(source / "qrels" / "train.tsv", folder / "qrels" / "train.tsv")


class Said(Progress):
    """Prints what is done."""

    def start(self, phase: str, total: int) -> None:
        print("\n", phase, total, strftime("%H:%M:%S"), flush=True)

    def advance(self, n: int = 1) -> None:
        print(".", end="", flush=True)

    def message(self, text: str) -> None:
        print(text, flush=True)


TABLES = """# Corpus attacks: all tables

Written by `python benchmarks/corpus_attacks.py WORK --data FOLDER --report reports/corpus-attacks`; the
[study](README.md) says what they show. `at` says where the added documents stand: in the list of the first stage, or
behind the ranker. Brackets are 95 % intervals over queries. Grades 2 and above are relevant; what is added is worth
nothing. *Of the worst* is the loss as a share of what as many documents could do at most (the floor); *shown of
retrieved* the share of queries with an added document among the candidates that show one; *centroids* the share of
queries that would show the centroids of the known queries themselves, as vectors.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    concept(given.data, given.work)
    specs = settings(given.data.resolve(), given.work.resolve() / "vectors")
    for name in given.only or ([] if given.report else specs):
        folder = given.work / specs[name].name
        summary = audit.run(specs[name], folder, progress=Said())
        result = corpus.PROTOCOL.result_in(summary)
        told = {
            "setting": name,
            "collection": plain(summary.collections[0]) | {"query_keys": None},
            "corpus": asdict(specs[name].corpus) if specs[name].corpus else None,
            **plain(result),
        }
        (given.work / f"{specs[name].name}.json").write_text(json.dumps(told, indent=1))
    if given.report:
        report(given.work, given.report, list(specs.values()))


def report(work: Path, folder: Path, specs: list[AuditSpec]) -> None:
    """The page and the figures it is made from."""
    folder.mkdir(parents=True, exist_ok=True)
    done = [json.loads(path.read_text()) for s in specs if (path := work / f"{s.name}.json").is_file()]
    for each in done:
        each["collection"]["first_stage"] = each["collection"]["first_stage"].partition("(")[0]  # no paths
        for row in each["rows"]:
            del row["per_query"], row["open"]
    (folder / "corpus-attacks.json").write_text(json.dumps(done, indent=1) + "\n")
    write(folder, done)


def write(folder: Path, done: Sequence[dict[str, Any]]) -> None:
    """All tables, and the first of the page."""
    (folder / "tables.md").write_text(TABLES + "\n".join(table(each) for each in done), encoding="utf-8")
    put(folder / "README.md", "benchmarks/corpus_attacks.py", short(done))


def short(done: Sequence[dict[str, Any]]) -> list[str]:
    """What each setting's largest optimised attack and its unoptimised words show of an added document."""
    places = [(attack, at) for attack in ("gaslite", "control: stuffing") for at in (STAGE, END)]
    head = "setting | queries | n | documents | optimised, first stage | optimised, re-ranked | its words, first stage"
    lines = [f"| {head} | its words, re-ranked | centroids |", f"|{'---|' * 9}"]
    for setting in done:
        counts = [int(r["attack"].rpartition(" ")[2]) for r in setting["rows"] if r["attack"].startswith("gaslite")]
        for queries in (KNOWN, HELD_OUT) if counts else ():
            found = {(r["attack"], r["at"]): r for r in setting["rows"] if r["queries"] == queries}
            of = [found[f"{attack}, {max(counts)}", at] for attack, at in places]
            cells = [figure(row["means"].get(corpus.SHOWN)) for row in of]
            n = of[0]["means"][corpus.SHOWN][3]
            cells = [setting["setting"], queries, str(n), str(max(counts)), *cells, figure(of[0]["ideal"])]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def table(told: dict[str, Any]) -> str:
    """One setting as Markdown: a row for each attack, group of queries and place."""
    of, stage = told["collection"], told["collection"]["first_stage"]
    names = ["attack", "queries", "at", "n", "retrieved", "shown@10", "first", "slots@10", "loss of nDCG@10"]
    names += ["of the worst", "shown of retrieved", "centroids"]
    lines = [
        f"\n## {told['setting']}\n",
        f"{of['documents']:,} documents of {of['name']} and its background, first stage `{stage}`.\n",
        f"| {' | '.join(names)} |",
        "|" + "---|" * len(names),
    ]
    for queries in (KNOWN, HELD_OUT):
        for at in (STAGE, END):
            for row in (r for r in told["rows"] if (r["queries"], r["at"]) == (queries, at)):
                cells = [figure(row["means"].get(m), 3 if m == corpus.HARM else 2) for m in corpus.MEASURES]
                n = row["means"][corpus.SHOWN][3] if row["means"] else 0
                more = [figure(row["of_floor"]), figure(row["given"]), figure(row["ideal"])]
                lines.append(f"| {row['attack']} | {queries} | {at} | {n} | {' | '.join([*cells, *more])} |")
    lines += ["\n| attack | documents | words | encodes | pairs |", "|---|---|---|---|---|"]
    lines += [
        f"| {w['attack']} | {w['plants']} | {w['words']} | {w['encodes']:,} | {w['pairs']} |" for w in told["written"]
    ]
    hubs = [f"{h['ranker'] or 'first stage'}, {h['queries']}: {h['most']} of {h['lists']}" for h in told["hubs"]]
    lines.append(f"\nLists that one natural document is in, at most: {'; '.join(hubs)}.\n")
    return "\n".join(lines)


def figure(estimate: Sequence[float] | None, digits: int = 2) -> str:
    """Value and interval of an estimate as it is written."""
    if estimate is None:
        return ""
    value, low, high, *_ = estimate
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
