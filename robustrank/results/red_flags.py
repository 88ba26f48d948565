"""Red flags: reasons not to believe an evaluation, and which of them the audit file accepts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from robustrank.config.specs import AcceptSpec
from robustrank.core.flags import Check


class Severity(StrEnum):
    """How much a red flag matters."""

    WARNING = "warning"
    SERIOUS = "serious"


@dataclass(frozen=True, kw_only=True)
class RedFlag:
    """A reason not to believe the evaluation itself.

    Args:
        check: What it is about.
        severity: How much it matters.
        title: In one line.
        detail: With its figures.
        ranker: The ranker it is about; empty where it is about none.
        attack: The attack it is about.
        collection: The collection it is about.
        accepted: Why the audit file accepts it; empty where it does not.
    """

    check: Check
    severity: Severity
    title: str
    detail: str
    ranker: str = ""
    attack: str = ""
    collection: str = ""
    accepted: str = ""

    @property
    def binds(self) -> bool:
        """Whether gates on its ranker, attack or collection are invalid.

        Failed tasks do not make them so by themselves: a gate counts each of them at its unfavourable end.
        """
        return self.severity is Severity.SERIOUS and not self.accepted and self.check is not Check.ERRORS

    @property
    def of_robustness(self) -> bool:
        """Whether only claims of robustness are void: nothing is ranked, or attacks tell nothing; the rest stands."""
        return self.check in (Check.COMPETENCE, Check.COPIES, Check.HINDERED)

    def about(self, rankers: Collection[str] | None, attack: str | None, collection: str) -> bool:
        """Whether a figure is about its subjects.

        Args:
            rankers: Those that the figure depends on; ``None`` for all of the audit.
            attack: Of the figure; ``None`` where it is about none.
            collection: Of the figure; empty where it is about several.
        """
        return (
            (not self.ranker or rankers is None or self.ranker in rankers)
            and (not self.attack or self.attack == attack)
            and (not self.collection or not collection or self.collection == collection)
        )


def accept(flags: Sequence[RedFlag], accepted: Iterable[AcceptSpec]) -> list[RedFlag]:
    """The flags, with the reason of the first ``[[accept]]`` that names each."""
    rules = list(accepted)

    def why(flag: RedFlag) -> str:
        return next(
            (
                rule.reason
                for rule in rules
                if rule.flag is flag.check
                and all(
                    wanted is None or wanted == subject
                    for wanted, subject in (
                        (rule.ranker, flag.ranker),
                        (rule.attack, flag.attack),
                        (rule.collection, flag.collection),
                    )
                )
            ),
            "",
        )

    return [replace(flag, accepted=why(flag)) for flag in flags]
