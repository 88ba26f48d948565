"""The five tasks in the report: what it concludes, and where its figures come from."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from robustrank.protocols.five_tasks import assemble
from robustrank.report import html as report
from robustrank.work.records import RankingRecord, TaskRecord, VariantValue, VariationRecord


@pytest.fixture
def section(summaries: SimpleNamespace) -> str:
    """Of two neural rankers that lose most elsewhere and nothing by typos, and a baseline that loses nothing."""
    records: list[TaskRecord] = []
    for i in range(30):
        level = 0.4 + i / 100
        for ranker, kept in (("BM25", 1.0), ("bi", 0.1), ("cross", 0.1)):
            for collection, value in (("home", level), ("elsewhere", level * kept)):
                records.append(
                    RankingRecord(
                        ranker=ranker, collection=collection, query_id=str(i), measures={"nDCG@10": value},
                        doc_ids=["d"], scores=[1.0],
                    )
                )  # fmt: skip
            variants = [VariantValue(operation="typo", text="t", fixed=level, end=None)]
            records.append(
                VariationRecord(
                    ranker=ranker, collection="home", query_id=str(i), variation="ops", plugin="ops",
                    measure="nDCG@10", clean=level, query="q", variants=variants, unit="",
                )
            )  # fmt: skip
    tasks = assemble.five_tasks(
        records, {}, home="home", measure="nDCG@10", baseline="BM25", families={},
        groups={"bi": "neural rankers", "cross": "neural rankers"},
    )  # fmt: skip
    page = report.render(replace(summaries.bare(), five=tasks, baseline="BM25"))
    page = page[page.index('<section id="tasks"') :]
    return page[: page.index("</section>")]


def test_the_question_about_a_group_is_answered_task_by_task(section: str) -> None:
    section_text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", section))
    answers = section_text[
        section_text.index("Neural rankers: less robust than BM25?") : section_text.index("Mean over bi, cross.")
    ]
    assert "Task 3 unforeseen corpus: less robust." in answers
    assert "Individually: 2 of 2 less robust, 0 of 2 more robust, 0 of 2 inconclusive, 0 of 2 undecided." in answers
    assert "Task 4 query operations: inconclusive." in answers


def test_every_table_says_which_command_prints_its_records(section: str) -> None:
    assert section.count("<table>") == section.count("robustrank trace DIR --where kind=") > 0
    assert "--where kind=variation" in section
