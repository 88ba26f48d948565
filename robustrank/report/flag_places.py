"""In which section of the report a red flag stands: beside what it concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robustrank.core.flags import Check
from robustrank.results.red_flags import RedFlag

GENERAL = "flags"
"""Of flags on the audit as a whole."""

_SECTIONS: Mapping[str, Sequence[Check]] = {
    "rankers": (
        Check.CONSTANT, Check.REPEAT, Check.ORDER, Check.BATCH, Check.INVARIANT, Check.QUERY_BLIND, Check.TIES,
        Check.FIRST_STAGE, Check.CHANCE, Check.COPIES, Check.COMPETENCE, Check.POSITIONS,
    ),
    "effectiveness": (Check.CEILING, Check.JUDGED),
    "attacks": (
        Check.CONTROL, Check.INVALID, Check.COUNTS, Check.UNCONFIRMED, Check.UNCHANGED, Check.MASKED, Check.NO_EFFECT,
    ),
    "tasks": (Check.IDENTITY,),
    "defenses": (Check.HINDERED,),
    "certificates": (Check.CERTIFICATE,),
    GENERAL: (Check.ERRORS, Check.SEQUENTIAL),
}  # fmt: skip
PLACES: Mapping[Check, str] = {check: anchor for anchor, checks in _SECTIONS.items() for check in checks}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A red flag with its address in the page."""

    flag: RedFlag
    id: str
    section: str


def placed(flags: Sequence[RedFlag]) -> dict[str, list[Placed]]:
    """Anchor of a section to the flags that stand in it, serious ones first."""
    by_section: dict[str, list[Placed]] = {}
    for n, flag in enumerate(sorted(flags, key=lambda flag: flag.severity != "serious"), 1):
        section = PLACES.get(flag.check, GENERAL)
        by_section.setdefault(section, []).append(Placed(flag=flag, id=f"flag-{n}", section=section))
    return by_section
