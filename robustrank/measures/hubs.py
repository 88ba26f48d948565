"""Documents that are retrieved for more queries than any document should be.

Half of the queries nominates documents that stand in more of its lists than the greatest natural count lets one expect;
the other half tests each nominee by an exact binomial test that its rate is at most the natural one, corrected after
Holm. Nothing is divided by a spread: where most documents are never retrieved, the median absolute deviation is 0 and a
z score says nothing. Who splits the same coverage over many documents passes under it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from robustrank.stats.comparisons import holm

LEVEL = 0.05


class Nominee(NamedTuple):
    """A document that the first half of the queries nominated."""

    document: str
    lists: int
    """Lists of the second half that it stands in."""
    p_holm: float

    @property
    def hub(self) -> bool:
        """Whether its rate is shown to be above the natural one."""
        return self.p_holm < LEVEL


class Check(NamedTuple):
    """What came of the test."""

    queries: int
    """Of the second half."""
    nominees: Sequence[Nominee]


def check(lists: Mapping[str, Sequence[str]], natural: float, *, seed: int = 0) -> Check:
    """Test for hubs.

    Args:
        lists: Query to the documents of the first ranks of its list.
        natural: Greatest share of lists that a document of a trusted snapshot stands in.
        seed: Of the halves.

    Raises:
        ValueError: Fewer than two lists, or no rate.
    """
    from scipy.special import bdtrc

    if len(lists) < 2 or not 0 <= natural <= 1:
        raise ValueError(f"{len(lists)} lists and the rate {natural} allow no test")
    queries = sorted(lists)
    Random(seed).shuffle(queries)
    halves = queries[: len(queries) // 2], queries[len(queries) // 2 :]
    first, second = (Counter(doc for query in half for doc in set(lists[query])) for half in halves)
    named = sorted(doc for doc, count in first.items() if count > natural * len(halves[0]))
    n = len(halves[1])
    ps = [float(bdtrc(second[doc] - 1, n, natural)) if second[doc] else 1.0 for doc in named]
    return Check(n, [Nominee(doc, second[doc], p) for doc, p in zip(named, holm(ps) if ps else [], strict=True)])
