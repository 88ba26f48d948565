"""Replay (rehearsal): a stage learns again from some of the lists of the stages before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Add to a stage's lists a share of those of every earlier stage that learned from teachers.

    The baseline of continual learning over collections, one stage each. A replayed list has the targets that the
    teachers of its own stage gave, whichever teachers this one has. Early stopping measures the new stage's development
    lists alone. The objective ``ewc`` needs no lists of before.

    Args:
        share: Of the lists of each earlier stage, drawn with the training's seed; 0 is the stage alone.

    Raises:
        ConfigError: A share below 0 or above 1.
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0.0 <= self.share <= 1.0:
            raise ConfigError(f"replay: share must be from 0 to 1, not {self.share}")

    def after(self, earlier: Sequence[Sequence[Any]], /) -> Replaying:
        """The list maker with the lists of the earlier stages."""
        return Replaying(self.share, earlier)

    def lists(self, lists: Sequence[Any], rng: Random, /) -> list[Any]:
        """The lists of a first stage."""
        return self.after(()).lists(lists, rng)


@dataclass(frozen=True)
class Replaying:
    """A replay of these stages' lists."""

    share: float
    earlier: Sequence[Sequence[Any]]

    def lists(self, lists: Sequence[Any], rng: Random, /) -> list[Any]:
        """The stage's own lists, then those that are replayed.

        Raises:
            ConfigError: There is nothing to replay.
        """
        if self.share > 0 and not any(self.earlier):
            raise ConfigError(
                "replay: no earlier [[stage]] learned from teachers, so there are no lists to replay; put the stage "
                "after one that has [[stage.source]]"
            )
        replayed = (each for stage in self.earlier for each in rng.sample(stage, round(self.share * len(stage))))
        return [*lists, *replayed]
