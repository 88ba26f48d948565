"""The table of the documents that are attacked."""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.config.tables import Count


@dataclass(frozen=True, kw_only=True)
class CasesSpec:
    """``[cases]``: which documents are attacked.

    Args:
        queries: Queries of the home collection, drawn with the audit's seed.
        strata: Clean rank ranges under the attacked ranker, such as ``"11-20"`` or ``"last 5"``.
        targets: Drawn from each stratum, per query.
        goal_rank: An attack succeeds at this rank or better.
        collection: Name of the collection; default home.
        transfer: Put the texts made against each ranker before the others, at one pair each where they are point-wise.
        common: Draw targets by their rank in the first stage: the same documents for every ranker, wherever it ranks
            them. By default by their clean rank under the attacked ranker.
        ladder: Try the attacks that promote, those of one kind of edit in the order of the file, until one brings the
            target to the first rank, of point-wise rankers. The worst case over attacks is the same for fewer pairs;
            what single attacks do is then known of a part of the targets alone, and masked gradients are not seen.
        similarity: Measure, by a bi-encoder, how similar every attacked text is to the clean one: of a small ranker
            more than half of the time of its attacks. No budget can limit what is not measured.
    """

    queries: Count = 20
    strata: tuple[str, ...] = ("11-20",)
    targets: Count = 1
    goal_rank: Count = 1
    collection: str | None = None
    transfer: bool = True
    common: bool = False
    ladder: bool = False
    similarity: bool = True
