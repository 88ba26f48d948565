"""Plug-ins that fail on demand, and collections for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from robustrank.plugins import registry
from robustrank.work.workbench import Workbench

MADE_UP = Path(__file__).parent / "made_up"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The made-up plug-ins, installed; and no encoder, which every new worker would load."""
    monkeypatch.setattr(Workbench, "similarity", None)
    monkeypatch.setattr(Workbench, "similarity_by", None)
    monkeypatch.syspath_prepend(str(MADE_UP))
    monkeypatch.setenv("PYTHONPATH", str(MADE_UP))
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()


@pytest.fixture
def write() -> Callable[[Path, list[str]], None]:
    """Writes a collection in which every query has the same six candidates."""

    def write(folder: Path, queries: list[str]) -> None:
        (folder / "qrels").mkdir(parents=True)
        texts = [f"{'word ' * (n + 1)} {' '.join(queries)}" for n in range(6)]
        corpus = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]
        lines = [{"_id": f"q{n:02}", "text": text} for n, text in enumerate(queries)]
        (folder / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in corpus))
        (folder / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        rows = [f"q{n:02}\td0\t1\n" for n in range(len(queries))]
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))

    return write
