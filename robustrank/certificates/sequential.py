"""Sequential certificates: samples are drawn for undecided pairs only, until the list is decided or at the limit.

Differences of two documents' scores are followed by confidence sequences, which hold at every number of samples at
once: looking after every batch, dropping documents and stopping for any reason leave the claims valid. The statements
are those of the rule on pairs (docs/certificates.md, theorem 6), without its band of the whole distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt

import numpy as np

from robustrank.certificates.distributions import Floats
from robustrank.certificates.evidence import Statement, Statements, pair_statements
from robustrank.certificates.rules import DIFFERENCE, ROUNDING
from robustrank.certificates.total_variation import Reach
from robustrank.stats.anytime import lower_bets

FIRST = 20
"""Samples before the first look; every later look has twice as many, up to the limit."""

Claim = tuple[int, float]
"""K and radius."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """Margins, tops and samples at the end of a sequential certification.

    Args:
        margins: K and radius to the least lower bound on a top document's lead over an attacked runner-up, at the look
            that decided; the list is certified where it is above :data:`ROUNDING`.
        top: K and radius to the documents that it is about, the top K at that look.
        samples: Samples drawn, per document.
    """

    margins: Mapping[Claim, float]
    top: Mapping[Claim, Sequence[int]]
    samples: Sequence[int]


@dataclass
class _List:
    """One list under way."""

    sample: Callable[[Sequence[int], int, int], Sequence[Floats]]
    level: float
    limit: int
    scores: list[Floats]
    leads: dict[tuple[int, int], float] = field(default_factory=dict)

    def extend(self, active: Sequence[int], target: int) -> None:
        """Samples of the active documents up to a number."""
        starts = {len(self.scores[i]) for i in active}
        for start in sorted(starts):
            rows = [i for i in active if len(self.scores[i]) == start]
            for i, drawn in zip(rows, self.sample(rows, start, target), strict=True):
                self.scores[i] = np.concatenate([self.scores[i], drawn])

    def look(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Lower bounds on the leads of these pairs, by the samples that both have."""
        by_size: dict[int, list[tuple[int, int]]] = {}
        for a, b in pairs:
            by_size.setdefault(min(len(self.scores[a]), len(self.scores[b])), []).append((a, b))
        for n, rows in by_size.items():
            values = np.stack([self.scores[a][:n] - self.scores[b][:n] for a, b in rows])
            bounds = lower_bets(values, alpha=self.level, bounds=(-1, 1), at=[n])[:, 0]
            for pair, bound in zip(rows, bounds.tolist(), strict=True):
                self.leads[pair] = max(bound, self.leads.get(pair, -1.0))

    def hopeless(self, a: int, b: int, rise: float) -> bool:
        """Whether the lead will hardly come out above a rise within the limit; giving up is always valid."""
        n = min(len(self.scores[a]), len(self.scores[b]))
        values = self.scores[a][:n] - self.scores[b][:n]
        spread = float(values.std()) + 1 / n
        least = spread * sqrt(2 * log(1 / self.level) / self.limit)
        return n >= 2 * FIRST and float(values.mean()) + 3 * spread / sqrt(n) - least <= rise


def statements(documents: int, ks: Sequence[int], alpha: float) -> Statements:
    """The random statements on which all claims about one list depend, each for all numbers of samples at once.

    Args:
        documents: In the list.
        ks: All K of the claims.
        alpha: Allowed probability that any claim is false.
    """
    count = pair_statements(documents, ks)
    return Statements([Statement(DIFFERENCE, alpha / count, count)])


def certify(
    sample: Callable[[Sequence[int], int, int], Sequence[Floats]],
    reaches: Mapping[float, Sequence[Reach]],
    ks: Sequence[int],
    *,
    alpha: float,
    limit: int,
) -> Decided:
    """Certify one list, in batches.

    Args:
        sample: From documents, a first number and a last (not included) to each one's scores of the draws of these
            numbers, in [0, 1]; the draws of one number may depend on each other, those of different ones may not.
        reaches: Radius to the documents' reaches.
        ks: All K of the claims; a K with no document below it is left out of the result.
        alpha: Allowed probability that any claim is false.
        limit: Most samples of a document.
    """
    size = len(next(iter(reaches.values())))
    claims = sorted((k, radius) for k in set(ks) if k < size for radius in reaches)
    stated = statements(size, [k for k, _ in claims], alpha)
    state = _List(sample, stated.level(DIFFERENCE), limit, [np.zeros(0)] * size)
    margins: dict[Claim, float] = {}
    top: dict[Claim, Sequence[int]] = {}
    open_, active, target = list(claims), list(range(size)), min(FIRST, limit)
    while open_ and active:
        state.extend(active, target)
        means = [float(row.mean()) for row in state.scores]
        ranking = sorted(range(size), key=lambda i: (-means[i], i))
        borders = {k: (ranking[:k], ranking[k:]) for k, _ in open_}
        state.look(sorted({(a, b) for above, below in borders.values() for a in above for b in below}))
        remaining: list[Claim] = []
        undecided_documents: set[int] = set()
        for k, radius in open_:
            above, below = borders[k]
            rises = {b: reaches[radius][b].variation for b in below}
            leads = {(a, b): state.leads[a, b] - rises[b] for a in above for b in below}
            margins[k, radius], top[k, radius] = min(leads.values()), tuple(above)
            undecided = [pair for pair, lead in leads.items() if lead <= ROUNDING]
            if undecided and not any(state.hopeless(a, b, rises[b]) for a, b in undecided):
                remaining.append((k, radius))
                undecided_documents.update(i for pair in undecided for i in pair)
        open_ = remaining
        active = [i for i in sorted(undecided_documents) if len(state.scores[i]) < limit]
        target = min(2 * target, limit)
    return Decided(margins=margins, top=top, samples=[len(row) for row in state.scores])
