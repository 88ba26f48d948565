"""A red flag on defenses that hinder attacks on them, so that these tell nothing."""

from __future__ import annotations

from robustrank.core.flags import Check
from robustrank.protocols.defenses.results import Defenses
from robustrank.protocols.interface import Evidence
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.storage.typed import convert


def hindered(evidence: Evidence) -> list[RedFlag]:
    """Defended rankers on which texts made against the base win more than attacks on the defended ranker itself.

    One who can ask the defended ranker has all that one has who cannot. Where these attacks do less, a defense stands
    in their way (noise, equal scores, gradients that it does not lend), and they do not show that its ranker is robust
    (Athalye et al., ICML 2018).
    """
    held = evidence.results.get("defenses")
    flags = []
    for row in convert(held, Defenses).rows if held is not None else ():
        if row.hindered and row.hindrance is not None:
            value, low, high, n, _ = row.hindrance.estimate
            detail = (
                f"texts made against {row.base} reach the top 10 on {value:+.0%} [{low:+.0%}, {high:+.0%}] of targets "
                f"beyond what attacks on the defended ranker do (n={n} queries): masking suspected. What attackers who "
                "know of the defense can do is not measured by these attacks"
            )
            title = f"{row.ranker}: attacks on it do less than texts made against its base"
            flags.append(
                RedFlag(
                    check=Check.HINDERED, severity=Severity.SERIOUS, title=title, detail=detail, ranker=row.ranker,
                    collection=row.collection,
                )
            )  # fmt: skip
    return flags
