"""Scores of all windows of a text become one: where windows overlap, an inserted block can reach a limited share.

A quantile, or a mean without the highest, over all windows of a text is bounded whatever a block of words scores; the
highest (MaxP, Dai and Callan 2019) is decided by one window, and certifies nothing. Theorem 11 of docs/certificates.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.certificates.insertion import AGGREGATES, Windows
from robustrank.plugin import AttackSet, PluginError, Ranker
from robustrank_defenses.certified._readings import ReadingRanker, pointwise


@dataclass(frozen=True, kw_only=True)
class WindowAggregation:
    """Aggregate the scores of all windows of a text, and certify against a block of words inserted anywhere.

    Words alone are read, with a blank between two. A text of fewer words than a window is read as a whole, and nothing
    is certified against an attack on it.

    Args:
        width: Words of a window.
        aggregate: `"quantile"`, `"median"` or `"trimmed"` (the mean without the highest `share`); `"mean"` and `"max"`
            certify nothing, because one window can decide them.
        share: Which quantile, or the share of the highest scores that is left out.
        stride: Words from one window to the next. Above 1 nothing is certified: one inserted word shifts all windows.
    """

    width: int = 32
    aggregate: str = "quantile"
    share: float = 0.5
    stride: int = 1

    def __post_init__(self) -> None:
        for name, holds, need in (
            ("width", self.width >= 1, "at least 1"),
            ("stride", self.stride >= 1, "at least 1"),
            ("aggregate", self.aggregate in AGGREGATES, f"one of {', '.join(AGGREGATES)}"),
            ("share", 0.0 < self.share < 1.0, "between 0 and 1"),
        ):
            if not holds:
                raise PluginError(f"windows: {name} must be {need}, got {getattr(self, name)!r}")

    def wrap(self, ranker: Ranker, /) -> ReadingRanker:
        """The ranker whose scores are aggregates.

        Raises:
            PluginError: The ranker's scores depend on the other documents of a call, or on chance.
        """
        reading = Windows(width=self.width, stride=self.stride, aggregate=self.aggregate, share=self.share)
        kind = {"quantile": f"{self.share:g}-quantile", "trimmed": f"mean without the highest {self.share:g}"}
        certifies = self.stride == 1 and self.aggregate in ("quantile", "median", "trimmed")
        note = (
            f"{kind.get(self.aggregate, self.aggregate)} over windows of {self.width} words, stride {self.stride}"
            f"{'' if certifies else ', which certifies nothing'}"
        )
        edits = AttackSet(operation="insert_block")
        return ReadingRanker(pointwise("windows", ranker), "windows", reading, edits, note)
