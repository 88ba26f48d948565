"""A curriculum (MacAvaney et al. 2020): easy lists first, all alike in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robustrank.core.errors import ConfigError, PluginError
from robustrank.training.standing import Standing


@dataclass(frozen=True, kw_only=True)
class EasyFirst:
    """The weight of a list is ``w (1 - t) + t``, where t is the share of the curriculum that is done; 1 afterwards.

    A list whose relevant document stands far above the rest is easy. In stages from judgments D is of the first stage,
    as in the paper, and ``w = (D(relevant) - greatest D(other) + 1) / 2``; a document that the first stage did not find
    has D = 0. In stages from teachers D is a document's target, on a scale from 0 to 1 within its list, and
    ``w = (D(best) - mean of D(others) + 1) / 2``. The released code multiplies the mean loss of a batch by the mean
    weight; here every list has its own.

    Args:
        by: D: ``"targets"`` of teachers; or of the first stage the ``"reciprocal_rank"``, the ``"normalised_score"``
            (from 0 for the list's lowest score to 1 for its highest) or the ``"kde"`` (the share of a kernel density
            estimate of the list's scores below the document's).
        end: Share of the steps after which every list counts alike.
        hard: Hard lists first instead (1 - w).
        normalise: Weights of a batch have mean 1, so that the learning rate is not lower at first.

    Raises:
        ConfigError: An end of 0 and below, or above 1, or another D.
    """

    by: Literal["targets", "reciprocal_rank", "normalised_score", "kde"] = "targets"
    end: float = 0.5
    hard: bool = False
    normalise: bool = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.by not in ("targets", *Standing._fields):
            names = ", ".join(map(repr, ("targets", *Standing._fields)))
            raise ConfigError(f"easy_first: by must be one of {names}, not {self.by!r}")
        if not 0.0 < self.end <= 1.0:
            raise ConfigError(f"easy_first: end must be above 0 and at most 1, not {self.end}")

    def weights(self, losses: Any, batch: Any, /) -> Any:
        """Weights of lists.

        Raises:
            PluginError: The lists have no D of this kind, or all have the same.
        """
        import torch

        if batch.share >= self.end:
            return torch.ones_like(losses)
        done = batch.share / self.end
        easy = self._ease(batch).to(losses.dtype)
        weights = ((1 - easy) if self.hard else easy) * (1 - done) + done + 1e-8
        return weights / weights.mean() if self.normalise else weights

    def _ease(self, batch: Any) -> Any:
        if self.by == "targets":
            if (((batch.targets == 0) | (batch.targets == 1) | batch.targets.isnan()).all()) and (
                (batch.targets == 1).sum(dim=1) == 1
            ).all():
                raise PluginError(
                    "easy_first: by their targets all lists of judgments are equally easy; set by to "
                    f"{' or '.join(map(repr, Standing._fields))}"
                )
            return ease(batch.targets)
        measure = Standing._fields.index(self.by)
        if batch.standings is None or batch.standings[..., measure].isnan().any():
            scores = "" if self.by == "reciprocal_rank" else " with scores (bm25, dense or a run)"
            raise PluginError(
                f"easy_first: by = {self.by!r} needs a first_stage{scores} in every [[stage.judged]]; stages from "
                "teachers have their targets"
            )
        return ease_by(batch.standings[..., measure], batch.targets)


def ease(targets: Any) -> Any:
    """How far a list's best document stands above the rest, from 0 to 1; 1/2 where all are equal.

    Args:
        targets: Lists x places; NaN where a list has no document at that place.
    """
    import torch

    absent = targets.isnan()
    filled = targets.nan_to_num(nan=-torch.inf)
    highest = filled.amax(dim=1, keepdim=True)
    lowest = targets.nan_to_num(nan=torch.inf).amin(dim=1, keepdim=True)
    scaled = ((targets - lowest) / (highest - lowest).clamp(min=1e-12)).nan_to_num(nan=0.0)
    others = (scaled.sum(dim=1) - scaled.amax(dim=1)) / ((~absent).sum(dim=1) - 1).clamp(min=1)
    return torch.where(
        (highest > lowest).squeeze(1), (scaled.amax(dim=1) - others + 1) / 2, torch.full_like(others, 0.5)
    )


def ease_by(standings: Any, targets: Any) -> Any:
    """How far a list's relevant document stands above the best of the others, from 0 to 1.

    Args:
        standings: Lists x places, from 0 to 1.
        targets: Highest at the relevant document; NaN where a list has no document at that place.
    """
    import torch

    absent = targets.isnan()
    relevant = targets.masked_fill(absent, -torch.inf).argmax(dim=1, keepdim=True)
    others = standings.masked_fill(absent, -torch.inf).scatter(1, relevant, -torch.inf).amax(dim=1)
    return (standings.gather(1, relevant).squeeze(1) - others + 1) / 2
