"""Document attacks side by side on one ranker: success, words edited and pairs.

``python benchmarks/insertion.py [--rows NAME ...] [--queries N] [--records FILE]`` on TREC DL 2021 with
robustrank-tiny: targets are those of ``benchmarks/word_substitution.py`` (one not judged relevant of clean rank 11 to
20 and one of 21 to 50 for each query drawn), the goal is the top 10. Every outcome is verified, and ranked by a fresh
call. Results are appended to the file line by line and a run goes on where it was. Prints a Markdown table: share of
targets in the top 10 with its exact interval (whole queries weighted), words edited and pairs of the attack.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import median
from time import process_time
from typing import Any, NamedTuple

from word_substitution import DATA, GOAL, RANKERS, SEED, _cases

from robustrank.collections.beir import Beir
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget, Case
from robustrank.perturbations.apply import outcome
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugins.registry import build
from robustrank.stats import intervals


class Row(NamedTuple):
    """An attack with its parameters and budget."""

    name: str
    use: str
    params: Mapping[str, Any] = {}
    edits: int | None = 5
    calls: int | None = None
    characters: int | None = None


WIDE = {"substitutes": "counterfitted|wordnet|glove"}
TINY = {"use": "bi_encoder"}
ROWS = (
    Row("word_substitution, scores, 60 pairs", "word_substitution", {}, 10, 60),
    Row("word_substitution, scores, 120 pairs", "word_substitution", {}, 10, 120),
    Row("word_substitution, scores", "word_substitution", {}, 10),
    Row("word_substitution, weights", "word_substitution", {"access": "weights"}, 10),
    Row("word_substitution, ranks", "word_substitution", {"access": "ranks"}, 10),
    Row("prada, rank feedback", "prada", {"feedback": "rank"}, 10),
    Row("prada", "prada", {}, 10),
    Row("textfooler", "textfooler", {}, 10),
    Row("pwws", "pwws", {}, 10),
    Row("beam_substitution, 600 pairs", "beam_substitution", {}, 10, 600),
    Row("hotflip, 16 pairs", "hotflip", {"pairs": 16}, 5),
    Row("hotflip", "hotflip", {}, 5),
    Row("list_transfer", "list_transfer", {}, 10),
    Row("control: random substitutions", "random_edits", {}, 10),
    *(Row(f"query_injection, {place}, {n}", "query_injection", {"place": place}, n)
      for n in (1, 2, 5) for place in ("start", "end")),
    Row("query_injection, start, whole", "query_injection", {}, None),
    *(Row(f"word_insertion, {access}, {n}", "word_insertion", {"access": access}, n)
      for n in (1, 2, 5) for access in ("ranks", "scores", "weights")),
    Row("word_insertion, scores, 28 pairs, 5", "word_insertion", {}, 5, 28),
    Row("word_insertion, scores, query words, 1", "word_insertion", {"vocabulary": ["query"]}, 1),
    Row("word_insertion, scores, list words, 5", "word_insertion", {"vocabulary": ["list"]}, 5),
    Row("word_insertion, weights, list words, 5", "word_insertion", {"access": "weights", "vocabulary": ["list"]}, 5),
    Row("word_insertion, scores, own words, 5", "word_insertion", {"vocabulary": ["own"]}, 5),
    *(Row(f"control: random words, {n}", "random_edits", {"operation": "insert", "place": "best"}, n)
      for n in (1, 2, 5)),
    Row("copy_best_sentence, none, start", "copy_best_sentence", {"access": "none"}, None),
    Row("copy_best_sentence, list, start", "copy_best_sentence", {}, None),
    Row("copy_best_sentence, list, end", "copy_best_sentence", {"place": "end"}, None),
    Row("copy_best_sentence, list, own ranker, best", "copy_best_sentence", {"surrogate": TINY, "place": "best"}, None),
    Row("copy_best_sentence, scores, best", "copy_best_sentence", {"access": "scores", "place": "best"}, None),
    *(Row(f"template_sentence, {template}", "template_sentence", {"template": template}, None)
      for template in ("answer", "asked", "explains", "also", "study", "guide")),
    Row("template_sentence, answer, end", "template_sentence", {"place": "end"}, None),
    Row("template_sentence, best, scores", "template_sentence",
        {"template": "best", "access": "scores", "place": "best"}, None),
    *(Row(f"control: twin, {template}", "template_sentence", {"template": template, "twin": True}, None)
      for template in ("answer", "asked", "explains", "also", "study", "guide")),
    Row("control: benign_insertion, start", "benign_insertion", {}, None),
    Row("insert_sentence", "insert_sentence", {}, None),
    Row("insert_sentence, own ranker", "insert_sentence", {"surrogate": TINY}, None),
    Row("insert_sentence, own ranker, relevance", "insert_sentence", {"surrogate": TINY, "weight": 0.0}, None),
    Row("insert_sentence, own ranker, coherence", "insert_sentence", {"surrogate": TINY, "weight": 1.0}, None),
    Row("insert_sentence, own ranker, scores", "insert_sentence", {"surrogate": TINY, "access": "scores"}, None),
    Row("insert_sentence, anchor", "insert_sentence", {"surrogate": TINY, "anchor": True}, None),
    Row("insert_sentence, anchor, scores", "insert_sentence",
        {"surrogate": TINY, "anchor": True, "access": "scores"}, None),
    Row("insert_sentence, anchor, not moved", "insert_sentence",
        {"surrogate": TINY, "anchor": True, "iterations": 0}, None),
    Row("insert_sentence, anchor, moved to it", "insert_sentence",
        {"surrogate": TINY, "anchor": True, "iterations": 20_000}, None),
    Row("control: sentence at random", "insert_sentence", {"drawn": True}, None),
    *(Row(f"insert_hotflip, {place}, {n}", "insert_hotflip", {"place": place}, n)
      for n in (3, 5) for place in ("start", "end")),
    Row("insert_hotflip, start, 120 pairs, 3", "insert_hotflip", {}, 3, 120),
    Row("insert_collision", "insert_collision", {}, 10),
    Row("insert_collision, fluency 0.2", "insert_collision", {"fluency": 0.2}, 10),
    *(Row(f"control: best of 6 random blocks, {n}", "insert_hotflip", {"sweeps": 0}, n) for n in (3, 5)),
    Row("control: random block, 10", "insert_collision", {"sweeps": 0}, 10),
    Row("universal_trigger", "universal_trigger", {"words": ["25", "particular", "known"]}, 3),
    Row("control: best of 3 random triggers", "universal_trigger",
        {"words": ["converting", "during", "activity"], "control": True}, 3),
    Row("insert_trigger, own ranker", "insert_trigger", {"surrogate": TINY, "beam": 3, "terms": 12}, 6),
    Row("insert_trigger, own ranker, relevance", "insert_trigger",
        {"surrogate": TINY, "beam": 3, "terms": 12, "fluency": 0.0, "joint": 0.0, "repetition": 1.0}, 6),
    Row("control: random words, start, 6", "random_edits", {"operation": "insert", "place": "start"}, 6),
    Row("title_stuffing, before", "title_stuffing", {"where": "before"}, None),
    Row("title_stuffing, after", "title_stuffing", {}, None),
    Row("term_stuffing, all", "term_stuffing", {}, 10),
    Row("term_stuffing, rarest", "term_stuffing", {"terms": "rarest"}, 5),
    Row("relevance_words, relevant", "relevance_words", {}, None),
    Row("delete_words, sentences", "delete_words", {}, None),
    Row("delete_words, sentences, ranks", "delete_words", {"access": "ranks"}, None),
    Row("delete_words, words", "delete_words", {"unit": "word"}, 10),
    Row("reorder_sentences", "reorder_sentences", {}, None),
    *(Row(f"characters, {family}, {access}, 10 characters", "characters",
        {"families": [family], "goal": "promote", "access": access}, None, None, 10)
      for family in ("homoglyph", "zero_width") for access in ("none", "scores")),
    *(Row(f"characters, {family}, 40 characters", "characters", {"families": [family], "goal": "promote"},
        None, None, 40) for family in ("hidden_tags", "hidden_backspace")),
    Row("control: characters, homoglyph, 10 characters", "characters",
        {"goal": "promote", "control": True}, None, None, 10),
    Row("control: characters, hidden_backspace, 40 characters", "characters",
        {"families": ["hidden_backspace"], "goal": "promote", "control": True}, None, None, 40),
    *(Row(f"inject_instruction, {kind}, {place}", "inject_instruction", {"kind": kind, "place": place}, None)
      for kind in ("decision", "criteria", "verdict") for place in ("start", "end")),
    *(Row(f"control: inject_instruction, {control}, start", "inject_instruction",
        {"place": "start", "control": control}, None) for control in ("neutral", "harmless", "marker", "other")),
    *(Row(f"spoof_identifiers, {form}, end", "spoof_identifiers", {"form": form}, None)
      for form in ("ranking", "passage", "letter", "numbers", "verdict", "role", "thought")),
    *(Row(f"control: spoof_identifiers, passage, end, {control}", "spoof_identifiers",
        {"form": "passage", "control": control}, None) for control in ("neutral", "unlabelled")),
    Row("control: random deletion", "random_edits", {"operation": "delete"}, 10),
    Row("control: random order", "random_edits", {"operation": "reorder"}, None),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, default=Path("insertion-records.jsonl"))
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--rows", nargs="*", default=[], help="beginnings of names; all without")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.rows or any(row.name.startswith(each) for each in options.rows)]
    options.collection, options.ranker, options.strata = "msmarco-dl21", "tiny", ["11-20", "21-50"]
    lines = options.records.read_text(encoding="utf-8").splitlines() if options.records.exists() else []
    records = {(r["row"], r["query"], r["stratum"]): r for r in map(json.loads, lines)}
    collection = Beir(path=str(DATA / options.collection)).load()
    use, params = RANKERS[options.ranker]
    ranker: Ranker = build("ranker", Plugin(use=use, params=params))
    with options.records.open("a", encoding="utf-8") as file:
        for stratum, case, clean in _cases(options, collection, ranker):
            for row in rows:
                key = (row.name, case.query.query_id, stratum)
                if key not in records:
                    record = dict(zip(("row", "query", "stratum"), key, strict=True)) | attacked(
                        row, case, clean, ranker
                    )
                    records[key] = record
                    file.write(json.dumps(record) + "\n")
                    file.flush()
    print("| attack | words allowed | n (queries) | top 10 | words | pairs, mean / median |\n|---|---|---|---|---|---|")
    for row in rows:
        print(line(row, [record for (name, _, _), record in records.items() if name == row.name]))


def attacked(row: Row, case: Case, clean: list[tuple[str, float]], ranker: Ranker) -> dict[str, Any]:
    """The outcome of one attack, as the harness measures it."""
    attack = build("attack", Plugin(use=row.use, params=dict(row.params)))
    metered = MeteredRanker(ranker)
    scores = dict(clean)
    metered.remember(case.query, case.candidates, [scores[doc.doc_id] for doc in case.candidates])
    budget = Budget(edits=row.edits, calls=row.calls, characters=row.characters)
    oracle = MeteredOracle(metered, case, attack.threat, budget)
    cpu = process_time()
    done = attack.perturb(case, oracle, Random(f"{SEED}|{row.name}"))
    cpu = process_time() - cpu
    found = verify(case, done, attack.threat, budget)
    rank, _ = outcome(MeteredRanker(ranker), case, done, clean)
    return {
        "rank": rank, "edits": found.edits, "pairs": oracle.spent, "violations": found.violations, "cpu": cpu,
        "after": done.target,
    }  # fmt: skip


def line(row: Row, records: Sequence[Mapping[str, Any]]) -> str:
    """One row of the table; an illegal text counts as no success."""
    if not records:
        return f"| {row.name} | {row.edits or row.characters or ''} | 0 | | | |"
    queries = [str(record["query"]) for record in records]
    success = intervals.share([r["rank"] <= GOAL and not r["violations"] for r in records], clusters=queries)
    words = sum(r["edits"] for r in records) / len(records)
    pairs = [r["pairs"] for r in records]
    figure = f"{success.value:.2f} [{success.low:.2f}, {success.high:.2f}]"
    cost = f"{sum(pairs) / len(pairs):.0f} / {median(pairs):.0f}"
    illegal = sum(bool(r["violations"]) for r in records)
    name, limit = row.name + (f" ({illegal} illegal)" if illegal else ""), row.edits or row.characters or ""
    return f"| {name} | {limit} | {len(records)} ({success.n}) | {figure} | {words:.1f} | {cost} |"


if __name__ == "__main__":
    main()
