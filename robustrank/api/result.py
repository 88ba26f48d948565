"""What an audit measured, for programs and notebooks: verdicts, data frames, tables for papers, charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup, escape

from robustrank.api import frames
from robustrank.core.errors import ConfigError, MissingExtra
from robustrank.core.escaping import for_csv, for_terminal
from robustrank.core.types import Estimate
from robustrank.judging import figures, gate
from robustrank.report import charts, filters, sheet
from robustrank.results import verdicts
from robustrank.results.figures import Figure
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict
from robustrank.storage.files import replace

Columns = dict[str, list[Any]]
Format = Literal["csv", "parquet"]


@dataclass(frozen=True)
class AuditResult:
    """The result of an audit.

    Args:
        summary: Everything that was measured, as ``summary.json`` has it.
        folder: Of the audit: records, ``summary.json``, ``report.html``.
    """

    summary: Summary
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether nothing of the audit is left to do; the same call resumes one that is not."""
        return self.summary.finished is not None

    @property
    def passed(self) -> bool | None:
        """Whether every gate holds.

        ``False`` too where nothing could be measured; ``None`` where no gate is set, or all hold of an audit that is
        not finished.
        """
        if gate.exit_code(self.summary) != 0:
            return False
        return True if self.gates and self.finished else None

    @property
    def verdict(self) -> str:
        """The gates in one sentence."""
        return verdicts.sentence(self.summary.verdicts) if self.summary.verdicts else "no gates are set"

    @property
    def gates(self) -> Sequence[Verdict]:
        """The verdicts, each with its reason."""
        return self.summary.verdicts

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def figure(self, measure: str, **labels: str) -> Estimate:
        """One figure by the words of a gate: ``result.figure("ASR@10", ranker="mine", attack="template")``.

        Args:
            measure: Its name.
            labels: As ``where`` of a gate; labels that all such figures share may be left out.

        Raises:
            ConfigError: No figure or several are so named (the message has those that come near), or it could not be
                computed.
        """
        named = [figure for figure in self._figures if figure.measure == measure]
        chosen = [f for f in named if all(f.labels.get(key) == value for key, value in labels.items())]
        if len(chosen) != 1:
            near = chosen or named
            few = "; ".join(map(str, near[:5])) if near else ", ".join(dict.fromkeys(f.measure for f in self._figures))
            raise ConfigError(f"{len(chosen)} figures are {measure!r} with {labels}; there are: {few}")
        if chosen[0].estimate is None:
            raise ConfigError(f"{chosen[0]} could not be computed: {chosen[0].missing or 'nothing was decided'}")
        return chosen[0].estimate

    def figures(self, library: frames.Library | None = None) -> Any:
        """Every figure: measure, labels, value with its interval and n, and what undecided cases leave open.

        Args:
            library: Of the data frame, here and below: ``"pandas"``, ``"polars"`` or ``"pyarrow"``; default the first
                one installed.
        """
        return frames.frame(self._columns_of_figures(), library)

    def queries(self, library: frames.Library | None = None) -> Any:
        """Every ranker's value of every measure on every clean query."""
        return frames.frame(self._columns_of_queries(), library)

    def cases(self, library: frames.Library | None = None) -> Any:
        """Every attacked case, with what was removed and added. The texts may be an attacker's."""
        return frames.frame(self._columns_of_cases(), library)

    def verdicts(self, library: frames.Library | None = None) -> Any:
        """Every gate with its outcome and reason."""
        return frames.frame(self._columns_of_gates(), library)

    def write(self, folder: str | Path, form: Format = "csv") -> list[Path]:
        """Write all four frames as ``figures``, ``queries``, ``cases`` and ``gates``.

        In CSV files, which spreadsheets open, characters that are drawn as nothing are shown and no cell begins like a
        formula. Parquet files hold the texts as they are, and need pyarrow.

        Args:
            folder: Made where it is missing.
            form: ``"csv"`` or ``"parquet"``.

        Raises:
            ConfigError: Another form.
            StoreError: They cannot be written.
        """
        if form not in ("csv", "parquet"):
            raise ConfigError(f"no form {form!r}; choose csv or parquet")
        Path(folder).mkdir(parents=True, exist_ok=True)
        made: Mapping[str, Callable[[], Columns]] = {
            "figures": self._columns_of_figures, "queries": self._columns_of_queries, "cases": self._columns_of_cases,
            "gates": self._columns_of_gates,
        }  # fmt: skip
        paths = []
        for name, columns in made.items():
            path = Path(folder) / f"{name}.{form}"
            if form == "csv":
                replace(path, _csv(columns()))
            else:
                try:
                    from pyarrow import parquet
                except ImportError as error:
                    raise MissingExtra("Parquet files", extra="data", package="pyarrow") from error
                parquet.write_table(frames.frame(columns(), "pyarrow"), path)
            paths.append(path)
        return paths

    def table(self, style: Literal["markdown", "latex"] = "markdown", digits: int = 3) -> str:
        """The rankers in one table: effectiveness with its interval, and each attack's success.

        A star marks what differs from the baseline after Holm's correction over all comparisons of the audit.

        Args:
            style: ``"markdown"``, or ``"latex"`` for the packages booktabs and array.
            digits: Of effectiveness; shares have two.
        """
        head, rows = self._table(digits)
        if style == "markdown":
            lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
            return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
        if style != "latex":
            raise ConfigError(f"no style {style!r}; choose markdown or latex")
        body = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
        columns = "l" + "r" * (len(head) - 1)
        title = " & ".join(map(_latex, head)) + r" \\"
        return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", title, r"\midrule", *body, r"\bottomrule",
                          r"\end{tabular}"])  # fmt: skip

    @cached_property
    def charts(self) -> Mapping[str, Chart]:
        """The report's charts by title; a notebook shows one that ends a cell."""
        drawn = charts.draw(self.summary)
        every = [*drawn.spread, *drawn.shifts, *drawn.attacks.values(), *drawn.costs, *drawn.certificates.values()]
        of: dict[str, Chart] = {}
        for chart in every:
            title, number = chart.title, 2
            while title in of:
                title, number = f"{chart.title} ({number})", number + 1
            of[title] = Chart(title, chart.svg)
        return of

    def __str__(self) -> str:
        """The verdict and the headline."""
        unfinished = "" if self.finished else " (not finished: the same call resumes it)"
        return f"{self.summary.name}{unfinished}: {self.verdict}. {self.summary.headline}"

    def __repr__(self) -> str:
        """One line."""
        return f"<AuditResult {self}>"

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, the gates, the rankers, and where the report lies."""
        head, rows = self._table(3)
        gates = [[each.gate, each.outcome.value, each.reason] for each in self.gates]
        doubts = [
            [flag.severity.value, flag.ranker or flag.collection, f"{flag.title}: {flag.detail}"]
            for flag in self.summary.red_flags
        ]
        parts = [
            Markup("<p><strong>{}</strong> {}</p>").format(self.verdict, self.summary.headline),
            *([] if self.finished else [Markup("<p>Not finished: the same call resumes it.</p>")]),
            *([_html(("gate", "outcome", "reason"), gates)] if gates else []),
            _html(head, rows),
            *([_html(("doubt", "of", "why"), doubts)] if doubts else []),
            Markup("<p>Report: <code>{}</code></p>").format(str(self.report)),
        ]
        return str(Markup("\n").join(parts))

    @cached_property
    def _figures(self) -> Sequence[Figure]:
        return figures.measured(self.summary)

    def _columns_of_figures(self) -> Columns:
        labels = list(dict.fromkeys(key for figure in self._figures for key in figure.labels))
        return _columns(
            (
                "measure", *labels, "value", "low", "high", "n", "confidence", "least", "greatest", "control",
                "of collection", "missing",
            ),
            (
                (
                    figure.measure, *(figure.labels.get(key) for key in labels), *_numbers(figure.estimate),
                    None if figure.ends is None else figure.ends.low.value,
                    None if figure.ends is None else figure.ends.high.value,
                    figure.control, figure.collection or None, figure.missing or None,
                )
                for figure in self._figures
            ),
        )  # fmt: skip

    def _columns_of_queries(self) -> Columns:
        return _columns(
            ("ranker", "collection", "measure", "query_id", "value"),
            (
                (each.ranker, each.collection, each.measure, query_id, value)
                for each in self.summary.effectiveness
                if each.slice is None
                for query_id, value in each.per_query.items()
            ),
        )

    def _columns_of_cases(self) -> Columns:
        return _columns(sheet.VALUES, sheet.values(self.summary))

    def _columns_of_gates(self) -> Columns:
        return _columns(
            (
                "gate",
                "outcome",
                "holds",
                "limit",
                "value",
                "low",
                "high",
                "n",
                "confidence",
                "queries_needed",
                "reason",
            ),
            (
                (v.gate, v.outcome.value, v.held, v.limit, *_numbers(v.estimate), v.queries_needed, v.reason)
                for v in self.gates
            ),
        )

    def _table(self, digits: int) -> tuple[list[str], list[list[str]]]:
        summary = self.summary
        whole = [each for each in summary.effectiveness if each.slice is None and each.measure == summary.measure]
        places = list(dict.fromkeys(each.collection for each in whole))
        attacks = [r for r in summary.attacks if r.stratum == "all" and "ASR@10" in r.success]
        names = list(dict.fromkeys(r.attack for r in attacks))
        means = {(each.ranker, each.collection): each.mean for each in whole}
        success = {(r.ranker, r.attack): r.success["ASR@10"] for r in attacks}
        shown = {
            (each.a, each.collection)
            for each in summary.comparisons
            if each.measure == summary.measure and each.b == summary.baseline and each.p_holm < 0.05
        }
        rows = [
            [
                ranker.name,
                *(
                    _cell(means.get((ranker.name, place)), digits) + ("*" if (ranker.name, place) in shown else "")
                    for place in places
                ),
                *(_cell(success.get((ranker.name, name)), 2) for name in names),
            ]
            for ranker in summary.rankers
        ]
        head = ["ranker", *(f"{summary.measure}, {place}" for place in places), *(f"ASR@10, {name}" for name in names)]
        return head, rows


@dataclass(frozen=True)
class Chart:
    """A chart of the report.

    Args:
        title: What it shows.
        svg: The drawing.
    """

    title: str
    svg: Markup

    def _repr_html_(self) -> str:
        return str(Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(self.title, self.svg))


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Columns:
    listed = list(rows)
    return {name: [row[place] for row in listed] for place, name in enumerate(names)}


def _numbers(estimate: Estimate | None) -> tuple[float | int | None, ...]:
    if estimate is None:
        return (None,) * 5
    return float(estimate.value), float(estimate.low), float(estimate.high), estimate.n, float(estimate.confidence)


def _cell(estimate: Estimate | None, digits: int) -> str:
    return "" if estimate is None else filters.figure(estimate, digits)


def _csv(columns: Columns) -> str:
    import csv
    import io

    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        table.writerow(["" if v is None else for_csv(for_terminal(v)) if isinstance(v, str) else repr(v) for v in row])
    return written.getvalue()


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u2212": "$-$"}


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in for_terminal(text))


def _html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    titles = Markup("").join(Markup("<th>{}</th>").format(name) for name in head)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(escape(for_terminal(c))) for c in row)
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(titles, body)
