"""The figures of the studies, from what is committed: ``python benchmarks/study_figures.py [--check]``.

Each is ``reports/STUDY/figure.svg``, or the file named: figures with intervals that a table or a record of the study
holds. With ``--check`` nothing is written, and the studies whose figure would change are named.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

import variants_figures
from study_page import figure, rows

from robustrank.core.types import Estimate
from robustrank.report.canvas import MUTED, Canvas, style
from robustrank.stats import intervals

REPORTS = Path(__file__).parents[1] / "reports"
SHOWN = "plants shown@10"
ROW, LINE, GAP = 15.0, 11.0, 9.0
"""Heights of a name, of an interval below it, and between two names."""

Rows = Sequence[tuple[str, Mapping[str, Estimate]]]
"""Name of a row, and its figures by series."""


def forest(
    title: str, axis: str, span: tuple[float, float], every: Rows, *, zero: bool = False, shown: bool = False
) -> str:
    """Intervals below the name of their row, one line a series, with a legend above where there are several.

    Args:
        title: What is drawn, for readers who do not see it.
        axis: Name of the scale.
        span: The scale; an interval that leaves it is cut there.
        every: The rows from top to bottom.
        zero: Whether 0 is marked.
        shown: Whether the figure is written beside the name of a row of one series.
    """
    names = list(dict.fromkeys(series for _, figures in every for series in figures))
    top = ROW * len(names) + 6 if len(names) > 1 else 0.0
    height = top + sum(ROW + LINE * len(figures) + GAP for _, figures in every)
    digits = 3 if span[1] - span[0] < 2 else 1
    canvas = Canvas(height, span, axis, sign=zero)
    if zero:
        canvas.line([0, 0], [top, height], MUTED, width=1.2)
    if len(names) > 1:
        for place, series in enumerate(names):
            canvas.key(8 + ROW * place, series, place)
    y, words = top, []
    for name, figures in every:
        alone = next(iter(figures.values())) if len(figures) == 1 else None
        canvas.label(y + 8, name, written(alone, digits, zero) if shown and alone else "")
        y += ROW
        for series, estimate in figures.items():
            colour, marker = style(names.index(series))
            low, high = (min(max(end, span[0]), span[1]) for end in (estimate.low, estimate.high))
            canvas.interval(y + LINE / 2, estimate._replace(low=low, high=high), colour, marker)
            y += LINE
            words.append(f"{name}{f', {series}' if len(names) > 1 else ''} {written(estimate, digits, zero)}")
        y += GAP
    return str(canvas.svg(f"{title}. {'; '.join(words)}.", standalone=True)) + "\n"


def written(estimate: Estimate, digits: int, sign: bool) -> str:
    """``"0.800 [0.612, 0.921]"``."""
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def default() -> str:
    """Success of some attacks on the three rankers."""
    summary = json.loads((REPORTS / "default" / "summary.json").read_text(encoding="utf-8"))
    chosen = {
        "query at the start": "query inserted at the start", "query at the end": "query inserted at the end",
        "a sentence copied from a ranked document": "a sentence copied from a document that ranks high",
        "one word inserted, seeing scores": "one word inserted, seeing scores",
        "PRADA, seeing scores": "up to 10 words substituted, seeing scores",
        "control: random substitutions": "control: 10 random substitutions",
        "control: one random word inserted": "control: one random word inserted",
    }  # fmt: skip
    found = {(r["ranker"], r["attack"]): r["success"] for r in summary["attacks"] if r["stratum"] == "all"}
    rankers = ("BM25", "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder")
    every = [(name, {r: Estimate(*found[r, attack]["ASR@10"]) for r in rankers}) for attack, name in chosen.items()]
    return forest("Share of targets that reach the top 10", "share of 20 targets in the top 10", (0, 1), every)


def five_tasks() -> str:
    """Differences of the table."""
    column = "neural rankers minus BM25"
    table = rows(REPORTS / "five-tasks" / "README.md", "task")
    every = [(row["task"].partition(", n=")[0], {column: known(row[column])}) for row in table]
    title = "Neural rankers minus BM25 in seven measures of robustness"
    return forest(title, f"{column}; to the right less robust", (-0.2, 0.2), every, zero=True, shown=True)


def suite() -> str:
    """The worst case at each access, and TextAttack's search."""
    page, every = REPORTS / "suite" / "tables.md", []
    places = {"DL 2021 (development)": "TREC DL 2021 (development)", "DL 2019": "TREC DL 2019 (looked at once)"}
    kinds = [("insert", "none"), ("insert", "ranks"), ("insert", "weights"), ("substitute", "scores")]
    for kind, access in [*kinds, ("substitute", "weights"), ("render", "scores")]:
        figures = {
            short: known(row["top 10"])
            for short, section in places.items()
            for row in rows(page, "edit", section)
            if (row["edit"], row["access"]) == (kind, access)
        }
        every.append((f"{kind}, access to {'nothing' if access == 'none' else access}", figures))
    single = {
        short: known(row["top 10"])
        for short, section in places.items()
        for row in rows(page, "attack", section)
        if row["attack"] == "TextAttack greedy_wir"
    }
    every.append(("TextAttack greedy-WIR (substitute, scores)", single))
    return forest("Targets that any attack of a kind lifts", "share of targets in the top 10", (0, 1), every)


def corpus_attacks() -> str:
    """What of the added documents is shown, for the three kinds of knowledge."""
    record = json.loads((REPORTS / "corpus-attacks" / "corpus-attacks.json").read_text(encoding="utf-8"))
    settings = {each["setting"]: each["rows"] for each in record}
    knowledge = [
        ("each query is known (DL 2021), n=10", "develop, one query", "known", 10),
        ("clusters of queries are known, n=26", "develop, other searches", "known", 10),
        ("the same, queries held out, n=27", "develop, other searches", "held out", 10),
        ("a concept is known, queries held out, n=20", "concept, longer", "held out", 10),
    ]
    every = []
    for name, setting, queries, count in knowledge:
        found = {(r["attack"], r["at"]): r["means"][SHOWN] for r in settings[setting] if r["queries"] == queries}
        figures = {
            f"{kind}, {where}": Estimate(*found[f"{attack}, {count}", at])
            for kind, attack in (("optimised", "gaslite"), ("the same words, not optimised", "control: stuffing"))
            for where, at in (("dense first stage", "first stage"), ("behind the re-ranker", "end to end"))
        }
        every.append((name, figures))
    title = "Share of queries that show an added document in the top 10"
    return forest(title, "share of queries with an added document in the top 10", (0, 1), every)


def pooling() -> str:
    """What a system loses whose own judgments are missing, by the depth of the pool."""
    page, every = REPORTS / "pooling" / "tables.md", {}
    for depth in (10, 100):
        section = f"DL 2019: leave one out, pool of depth {depth}"
        for row in rows(page, "left out", section):
            if row["left out"] == row["system"]:
                every.setdefault(row["system"], {})[f"pool of depth {depth}"] = known(row["change"])
    title = "Change of nDCG@10 without a system's own judgments, TREC DL 2019"
    return forest(title, "change of nDCG@10", (-0.2, 0.1), list(every.items()), zero=True)


def certificates() -> str:
    """Certified top tens at one changed word, by rule."""
    every = []
    for name, setting in (
        ("12-layer, DL 2019, 8 mutual synonyms", "l12-msmarco-dl19-mutual8"),
        ("12-layer, DL 2019, 5 mutual synonyms", "l12-msmarco-dl19-mutual5"),
        ("12-layer, SciFact, 8 mutual synonyms", "l12-scifact-mutual8"),
        ("tiny, SciFact, 8 mutual synonyms", "tiny-scifact-mutual8"),
        ("tiny, DL 2019, 5 mutual synonyms", "tiny-msmarco-dl19-mutual5"),
        ("tiny, DL 2019, 100 nearest synonyms", "tiny-msmarco-dl19-wide"),
        ("tiny, DL 2019, any words", "tiny-msmarco-dl19-mask"),
    ):
        found = json.loads((REPORTS / "certificates" / f"{setting}.json").read_text(encoding="utf-8"))
        held = found["held"][str(found["samples"])]
        rules = ("certdr-joint", "quantile", "shared-quantile", "shared-quantile 0.25")
        figures = {rule: intervals.share([bit == "1" for bit in held[rule]["10 1"]]) for rule in rules}
        every.append((f"{name}, n={len(found['queries'])}", figures))
    title = "Share of lists whose top ten is certified at one changed word"
    return forest(title, "share of lists whose top ten is certified, R = 1", (0, 1), every)


def certified_insertion() -> str:
    """Certified first ranks of one defense, by the length of the block."""
    page = REPORTS / "certified-insertion" / "tables.md"
    every: dict[str, dict[str, Estimate]] = {}
    for name, section, n in (
        ("BM25 on DL 2019, n=43", "BM25 on DL19, 43 queries", 43),
        ("robustrank-tiny on DL 2019, n=15", "tiny on DL19, 15 queries", 15),
        ("BM25 on SciFact, n=40", "BM25 on SciFact, 40 queries", 40),
    ):
        row = next(r for r in rows(page, "defense", section) if r["defense"] == "start 12")
        for words in (1, 3, 6, 12):
            held = round(float(row[f"R = {words}"].split(" / ")[0]) * n)
            label = f"block of {words} word{'s' if words > 1 else ''} at the start"
            every.setdefault(label, {})[name] = intervals.share([True] * held + [False] * (n - held))
    title = "Share of queries whose first rank is certified, defense start 12"
    return forest(title, "share of queries whose first rank is certified", (0, 1), list(every.items()))


def language_models() -> str:
    """Effectiveness of each use, beside the first stage."""
    table = rows(REPORTS / "language-models" / "tables.md", "ranker")
    every = [(row["ranker"], {"nDCG@10": known(row["nDCG@10"])}) for row in table]
    return forest("nDCG@10 of the first ten passages", "nDCG@10, 16 queries", (0, 1), every, shown=True)


def topics() -> str:
    """The policy minus the strongest control, in every study."""
    table, name, every = rows(REPORTS / "topics" / "README.md", "the attacker knows"), "", []
    column = "topic_rl minus greedy-sum, held-out boost"
    for row in table:
        name = row["the attacker knows"].partition(" of ")[0] or name
        every.append((f"{name}; {row['victim']}", {column: known(row[column])}))
    title = "Ranks that topic_rl wins beyond greedy-sum for held-out queries"
    return forest(title, "ranks", (-10, 15), every, zero=True, shown=True)


def coverage() -> str:
    """Least, median and greatest coverage of a statistic over its populations and numbers of queries."""
    with (REPORTS / "coverage" / "coverage.csv").open(encoding="utf-8", newline="") as file:
        lines = sorted(csv.DictReader(file), key=lambda row: row["statistic"])
    every = []
    for statistic, group in groupby(lines, key=lambda row: row["statistic"]):
        least = 30 if statistic == "coefficient of variation" else 10
        shares = [1 - float(row["below"]) - float(row["above"]) for row in group if int(row["n"]) >= least]
        range_ = Estimate(median(shares), min(shares), max(shares), n=len(shares))
        every.append((f"{statistic}{', n ≥ 30' if least == 30 else ''}", {"coverage": range_}))
    return forest("Coverage of 95 % intervals", "least, median and greatest share", (0.94, 1), every, shown=True)


def known(cell: str) -> Estimate:
    """The figure of a cell that has one."""
    found = figure(cell)
    assert found is not None, cell
    return found


FIGURES: Mapping[str, Callable[[], str]] = {
    "default": default, "five-tasks": five_tasks, "suite": suite, "corpus-attacks": corpus_attacks, "pooling": pooling,
    "certified-insertion": certified_insertion, "language-models": language_models, "topics": topics,
    "coverage": coverage, "certificates": certificates, "variants": variants_figures.cost,
    "variants/size.svg": variants_figures.size,
}  # fmt: skip
"""Study to its figure, ``figure.svg``, or another file of its folder."""


def main(arguments: Sequence[str]) -> int:
    """Write all figures, or name those that would change."""
    changed = []
    for study, draw in FIGURES.items():
        path, drawn = REPORTS / study if study.endswith(".svg") else REPORTS / study / "figure.svg", draw()
        if not path.is_file() or path.read_text(encoding="utf-8") != drawn:
            changed.append(study)
            if "--check" not in arguments:
                path.write_text(drawn, encoding="utf-8")
    print("\n".join(changed) or "no figure changes")
    return int("--check" in arguments and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
