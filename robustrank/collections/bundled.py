"""The collections that come with the package (terms in ``robustrank/data/SOURCES.md``)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

from robustrank.collections.beir import Beir
from robustrank.types import Collection


@dataclass(frozen=True, kw_only=True)
class SciFact:
    """Scientific claims against 5,183 abstracts; 300 test queries, binary judgments (Wadden et al. 2020; BEIR splits)."""

    def load(self) -> Collection:
        """Read it out of the package."""
        terms = "claims CC BY 4.0, abstracts ODC-By 1.0 (allenai/scifact; abstracts rebuilt from their sentences)"
        return _load("scifact", Beir(path="", terms=terms))


@dataclass(frozen=True, kw_only=True)
class SelQA:
    """Questions against 17,917 Wikipedia sentences, each with its judged candidates (Jurczyk et al. 2016).

    Args:
        split: ``"test"`` (1,590 questions) or ``"dev"`` (785; choose parameters on this one).
    """

    split: str = "test"

    def load(self) -> Collection:
        """Read it out of the package; a query's type is its question word."""
        terms = "Apache-2.0 (emorynlp/selqa); sentences from Wikipedia, CC BY-SA"
        return _load("selqa", Beir(path="", split=self.split, query_type="wh", run="candidates", terms=terms))


def _load(name: str, layout: Beir) -> Collection:
    with as_file(files("robustrank") / "data" / "collections" / name) as folder:
        return Beir(**{**vars(layout), "path": str(folder)}).load()
