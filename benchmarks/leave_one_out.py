"""What the pool decides on TREC DL 2019 and 2021: ``python benchmarks/leave_one_out.py DATA OUT [DEPTH]``.

DATA holds ``msmarco-dl19`` and ``msmarco-dl21`` in BEIR layout, with ``qrels_full/test.tsv`` and ``runs/``. For each,
``OUT/<collection>.json`` gets the whole protocol at pool depth DEPTH (default 10), ``OUT/tables.md`` the tables, and
``OUT/README.md`` the first of them between its markers.
No model is needed; it takes seconds. Every figure of the tables is read from what was just computed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from study_page import put

from robustrank.collections.beir import Beir
from robustrank.core.types import Estimate, Range
from robustrank.measures import runs
from robustrank.protocols.pooling import Question, analyse
from robustrank.results.pooling import LeftOut, Pooling

COLLECTIONS = {"msmarco-dl19": "TREC DL 2019", "msmarco-dl21": "TREC DL 2021"}
LEXICAL = ("bm25", "bm25_rm3")
DEEP = 100

INTRO = """\
# What the pool decides: all tables

Written by `python benchmarks/leave_one_out.py DATA reports/pooling`; the [study](README.md) says what they show.
nDCG@10, graded; binary measures count grades of 2 and more. Brackets are 95 % intervals over queries
([docs/statistics.md](../../docs/statistics.md)). A conclusion is a paired test at 0.05 by the interval, Holm-corrected
over all pairs. Bounds over unjudged are exact, over every grade the unjudged documents of the top 10 could have;
"filled at random" is the central 95 % of draws from a model fitted on the judged ones.
"""


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    depth = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    out.mkdir(parents=True, exist_ok=True)
    page, first = [INTRO], [FIRST, "|---" * FIRST.count("| ") + "|"]
    for folder, title in COLLECTIONS.items():
        collection = Beir(path=str(data / folder), qrels="qrels_full/test.tsv", relevant=2).load()
        systems = runs.read([str(data / folder / "runs")])
        groups = {"lexical": LEXICAL, "neural": tuple(name for name in systems if name not in LEXICAL)}
        groups = {name: members for name, members in groups.items() if len(members) > 1}
        question = Question(collection=folder, relevant=collection.relevant, depth=depth, groups=groups)
        found = analyse(systems, collection.qrels, question)
        deep = analyse(systems, collection.qrels, replace(question, depth=DEEP))
        (out / f"{folder}.json").write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
        page += [f"## {title} ({found.queries} queries)\n", *section(title, found, deep)]
        first += short(title, found, deep)
    (out / "tables.md").write_text("\n".join(page), encoding="utf-8")
    put(out / "README.md", "benchmarks/leave_one_out.py", first)


FIRST = (
    "| left out | judgments of its own | change | rank | conclusions that change | change, depth 100 | conclusions |"
)


def short(title: str, found: Pooling, deep: Pooling) -> Iterator[str]:
    """A line for each system left out alone, and each member of a group."""
    for here, there in zip(found.left_out, deep.left_out, strict=True):
        for a, b in zip(here.systems, there.systems, strict=True):
            who = a.system if here.kind == "system" else f"{here.name}: {a.system}"
            ranks = f"{a.rank} → {a.rank_left_out}"
            cells = [who, str(here.unique), of(a.change, sign=True), ranks, ", ".join(a.conclusions) or "none"]
            cells += [of(b.change, sign=True), ", ".join(b.conclusions) or "none"]
            yield f"| {title.removeprefix('TREC ')}, {' | '.join(cells)} |"


def section(title: str, found: Pooling, deep: Pooling) -> Iterator[str]:
    yield (
        f"{found.judgments:,} official judgments; {found.pooled:,} of them are of documents in the pool of depth "
        f"{found.depth}.\n"
    )
    yield "### With all official judgments\n"
    yield table(
        [
            "system", "nDCG@10", "judged@10", "bounds over unjudged", "filled at random", "condensed", "bpref", "infAP",
            "RBP + residual",
        ],
        (
            [
                s.system, of(s.value), of(s.judged, 2), span(s.unjudged), span(s.fill), point(s.condensed),
                point(s.bpref), point(s.inf_ap), f"{point(s.rbp)} + {point(s.rbp_residual)}",
            ]
            for s in found.systems
        ),
    )  # fmt: skip
    yield "Differences that judging the unjudged could reverse, however unlikely:\n"
    yield table(
        ["pair", "difference", "p (Holm)", "bounds over unjudged", "reversed in drawn fillings"],
        (
            [
                f"{p.a} minus {p.b}", of(p.difference, sign=True), f"{p.p_holm:.3f}", span(p.unjudged, sign=True),
                share(p.flip_share),
            ]
            for p in found.pairs
            if p.may_change
        ),
    )  # fmt: skip
    held = sum(not p.may_change for p in found.pairs)
    yield f"The other {held} of {len(found.pairs)} differences have the same sign whatever these grades.\n"
    year = title.removeprefix("TREC ")
    yield f"### {year}: leave one out, pool of depth {found.depth}\n"
    yield from left_out(found.left_out)
    yield f"### {year}: leave one out, pool of depth {deep.depth}\n\n{deep.pooled:,} judgments.\n"
    yield from left_out(deep.left_out)
    yield "### Shallower pools, and pools of one system\n"
    yield table(
        ["pool", "judgments", "tau with the whole pool", *(s.system for s in found.systems)],
        (
            [
                f"{o.pool}{' alone' if o in found.only else ''}", str(o.judgments), of(o.tau, 2),
                *(point(o.values[s.system]) for s in found.systems),
            ]
            for o in (*found.shallow, *found.only)
        ),
    )  # fmt: skip
    yield "### Adding the others' loss back (our reading of Webber and Park 2009)\n"
    yield table(
        ["system", "pooled", "left out", "added", "error", "error after adding"],
        (
            [
                a.system, f"{a.pooled:.3f}", f"{a.left_out:.3f}", f"{a.added:+.3f}", of(a.error, sign=True),
                of(a.adjusted_error, sign=True),
            ]
            for a in found.adjustments
        ),
    )  # fmt: skip
    yield calibration(found)


def left_out(every: Sequence[LeftOut]) -> Iterator[str]:
    yield table(
        [
            "left out", "own judgments", "tau", "system", "pooled", "change", "rank", "judged@10",
            "bounds over unjudged", "filled at random", "conclusions that change",
        ],
        (
            [
                each.name, str(each.unique), of(each.tau, 2), s.system, point(s.pooled), of(s.change, sign=True),
                f"{s.rank} → {s.rank_left_out}", point(s.judged, 2), span(s.unjudged), span(s.fill),
                "; ".join(s.conclusions) or "none",
            ]
            for each in every
            for s in each.systems
        ),
    )  # fmt: skip
    alone = [s for each in every if each.kind == "system" for s in each.systems]
    worst = min(alone, key=lambda s: s.change.value)
    bounded = sum(s.unjudged.low - 1e-9 <= s.pooled.value <= s.unjudged.high + 1e-9 for s in alone)
    filled = sum(s.fill is not None and s.fill.low <= s.pooled.value <= s.fill.high for s in alone)
    changed = [s.system for s in alone if s.conclusions]
    yield (
        f"Largest drop: {worst.system}, {of(worst.change, sign=True)}. Conclusions change for "
        f"{', '.join(changed) or 'no system'}. Of {len(alone)} systems left out alone, the bounds hold "
        f"the value with the whole pool for {bounded}, the random fillings for {filled}.\n"
    )


def calibration(found: Pooling) -> str:
    c = found.calibration
    if c is None:
        return "No model of relevance could be fitted.\n"
    return (
        f"The model behind the random fillings, on queries it was not fitted on ({c.documents:,} judged documents): "
        f"mean prediction minus observed share {of(c.bias, sign=True)}, Brier score {c.brier:.3f} "
        f"(always the other queries' share: {c.brier_of_constant:.3f}).\n"
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def of(estimate: Estimate, digits: int = 3, *, sign: bool = False) -> str:
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def point(estimate: Estimate, digits: int = 3) -> str:
    return f"{estimate.value:.{digits}f}"


def span(reach: Range | None, *, sign: bool = False) -> str:
    form = "+.3f" if sign else ".3f"
    return "–" if reach is None else f"{reach.low:{form}} to {reach.high:{form}}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


if __name__ == "__main__":
    main()
