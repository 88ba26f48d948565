"""PyTerrier transformers and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from robustrank.core.errors import ConfigError, ContractError, MissingExtra
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers import objects


@dataclass(frozen=True, kw_only=True)
class PyTerrier:
    """A PyTerrier transformer that re-ranks, or a pipeline, by its import path.

    It is called with a data frame of ``qid``, ``query``, ``docno``, ``text``, ``score`` and ``rank``, in the first
    stage's order, and answers with one that has ``docno`` and ``score``. Document ids are made up, so that a stage that
    looks texts up in an index fails, and does not score the text of the index in place of the attacked one.

    Args:
        object: ``"package.module:name"`` of the transformer, or of a function that makes it. The module is installed,
            or lies beside the audit file.
        skip: Stages at the beginning of a pipeline (``a >> b >> c``) that are left out, because the audit's own first
            stage takes their place: 1 for ``retriever >> reranker``.
        text: Column of the documents' texts.
        missing: ``"last"`` ranks documents that the pipeline cuts off below all others; by default they are an error.
        pointwise: Set ``false`` where a document's score depends on the others of the list.
        version: Of what the object loads; raise it with every change.
    """

    object: str
    skip: int = 0
    text: str = "text"
    missing: str = "refuse"
    pointwise: bool = True
    version: str = ""

    def __post_init__(self) -> None:
        objects.check_missing(self.missing, "pyterrier")
        if self.skip < 0:
            raise ConfigError(f"pyterrier: skip must not be negative, but is {self.skip}")

    @property
    def card(self) -> RankerCard:
        """What can be seen of the object."""
        _ = self._stages
        parameters = self.skip, self.text, self.missing
        pointwise = self.pointwise and self.missing == "refuse"
        return objects.card("pyterrier", self.object, self.version, parameters, pointwise=pointwise)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The scores of the last stage.

        Raises:
            MissingExtra: pandas is not installed.
            ContractError: The answer is no data frame with every document once and a score for each.
        """
        if not docs:
            return []
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("the pyterrier ranker", extra="pyterrier", package="pandas") from error
        count = len(docs)
        frame: Any = pd.DataFrame({
            "qid": "q", "query": query.text, "docno": [f"d{number}" for number in range(count)],
            self.text: [doc.text for doc in docs], "score": [float(count - n) for n in range(count)],
            "rank": list(range(count)),
        })  # fmt: skip
        for stage in self._stages:
            frame = stage.transform(frame)
        return objects.scores(list(self._placed(frame)), count, self._what, self.missing)

    @cached_property
    def _stages(self) -> Sequence[Any]:
        transformer = objects.load(self.object, "pyterrier", ("transform",))
        if not self.skip:
            return (transformer,)
        try:
            stages = list(transformer)
        except TypeError:
            stages = [transformer]
        if self.skip >= len(stages):
            raise ConfigError(f"{self._what}: skip = {self.skip}, but the pipeline has {len(stages)} stages")
        return stages[self.skip :]

    def _placed(self, frame: Any) -> list[objects.Placed]:
        columns = list(getattr(frame, "columns", ()))
        if "docno" not in columns or not {"score", "rank"} & {*columns}:
            raise ContractError(f"{self._what}: answered without the columns docno and score (has: {columns})")
        values = frame["score"] if "score" in columns else -frame["rank"]
        answer = [
            objects.Placed(_number(docno), float(value))
            for docno, value in zip(frame["docno"].tolist(), values.tolist(), strict=True)
        ]
        return sorted(answer, key=lambda placed: -(placed.score or 0.0))

    @property
    def _what(self) -> str:
        return f"pyterrier({self.object})"


def _number(docno: object) -> int:
    """The number in a made-up id; -1 of another one."""
    text = str(docno)
    return int(text[1:]) if text[:1] == "d" and text[1:].isascii() and text[1:].isdecimal() else -1
