"""Several defenses one around the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.plugin import Defense, PluginError, Query, Ranker, ReadsJudgments, Replacement


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Wrap a ranker in several defenses.

    Args:
        defenses: Tables with ``use``, in the order in which a text passes them: the last one stands next to the ranker.
            What the first one certifies is certified.

    Raises:
        PluginError: There are none, or an element is no defense.
    """

    defenses: Sequence[Defense]

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not self.defenses or not all(callable(getattr(each, "wrap", None)) for each in self.defenses):
            raise PluginError("chain: defenses must be a list of tables, each with the `use` of a defense")
        if any(isinstance(each, Replacement) for each in self.defenses):
            raise PluginError(
                "chain: a defense that puts another ranker in place of the base cannot be a part; audit that ranker as "
                "a [[ranker]], and put the others around it"
            )

    @property
    def judged_queries(self) -> Sequence[Query]:
        """Those of all of them."""
        return [query for each in self.defenses if isinstance(each, ReadsJudgments) for query in each.judged_queries]

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The ranker behind all of them."""
        for defense in reversed(self.defenses):
            ranker = defense.wrap(ranker)
        return ranker
