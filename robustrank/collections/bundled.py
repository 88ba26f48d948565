"""The collections that come with the package (terms in ``robustrank/data/SOURCES.md``)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

from robustrank.collections.beir import Beir
from robustrank.core.types import Collection


@dataclass(frozen=True, kw_only=True)
class SciFact:
    """Scientific claims against 5,183 abstracts: 300 test claims, binary judgments (Wadden et al. 2020, BEIR splits).

    Args:
        split: Only ``"test"`` comes with the package.
    """

    split: str = "test"

    def load(self) -> Collection:
        """Read it from the package."""
        return _load(
            "scifact",
            split=self.split,
            terms="claims CC BY 4.0, abstracts ODC-By 1.0 (allenai/scifact; abstracts rebuilt from their sentences)",
        )


@dataclass(frozen=True, kw_only=True)
class SelQA:
    """Questions against 17,917 Wikipedia sentences, each with its judged candidates (Jurczyk et al. 2016).

    Args:
        split: ``"test"`` (1,590 questions) or ``"dev"`` (785; choose parameters on this one).
        query_type: ``"wh"``, the question word, or ``"type"``, the topic.
    """

    split: str = "test"
    query_type: str = "wh"

    def load(self) -> Collection:
        """Read it from the package."""
        return _load(
            "selqa",
            split=self.split,
            query_type=self.query_type,
            run="candidates",
            terms="Apache-2.0 (emorynlp/selqa); sentences from Wikipedia, CC BY-SA",
        )


def _load(name: str, *, split: str, terms: str, query_type: str = "type", run: str | None = None) -> Collection:
    with as_file(files("robustrank") / "data" / "collections" / name) as folder:
        return Beir(path=str(folder), split=split, query_type=query_type, run=run, terms=terms).load()
