"""The training file: TOML in, frozen dataclasses out, read as strictly as the audit file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from robustrank.certificates.smoothing import DISTRIBUTIONS
from robustrank.config.tables import key, read, read_as, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.training.judged_spec import JudgedStageSpec, check_judged
from robustrank.training.trainer import Schedule

STRATA = ((0, 5), (5, 20), (20, 100))
"""Places of a ranking that candidates are drawn from; a last stratum is the whole collection."""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """One ``[[stage.source]]``: queries and passages out of a folder in BEIR layout.

    Args:
        name: For messages; all that is drawn from the source depends on it.
        path: The folder.
        split: Judgments whose queries are asked (the judgments are not used); without it, queries are made up from
            the passages.
        queries: At most so many.
        rounds: How many queries to make up from each passage.
        runs: Runs in ``runs/`` that candidates are drawn from; without any, BM25.
        candidates: Of each ranking, how many from places 1-5, 6-20 and 21-100, and then at random.
        words: Passages are cut to so many words, half of them from a random sentence on.
        titles: Whether a document's title is part of its text.
    """

    name: str
    path: str
    split: str | None = None
    queries: int | None = None
    rounds: int = 1
    runs: tuple[str, ...] = ()
    candidates: tuple[int, ...] = (3, 2, 2, 1)
    words: int = 48
    titles: bool = True


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """``[student]``: the encoder to begin with, as a bundled name, a folder or a hub id, and how much it reads.

    Args:
        model: The encoder.
        max_length: Word pieces of a pair.
        dropout: Of the hidden states and the attention; none by default, because a teacher's scores can hardly be
            learnt by heart and a small student needs all it has.
        adapter: Learn low-rank updates of this rank instead of the whole encoder; they are merged in the end.
    """

    model: str
    max_length: int = 128
    dropout: float = 0.0
    adapter: int | None = None


@dataclass(frozen=True, kw_only=True)
class TeacherSpec:
    """One ``[[stage.teacher]]``: a pointwise ranker plug-in, and the weight of its scores in the targets' sum.

    Weights bring teachers to one scale: a cosine spreads over tenths, the scores of a sparse encoder over units.
    """

    plugin: Plugin
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """``[stage.noise]``: the student reads random rewordings, as a smoothed ranker does, its teachers the texts.

    Args:
        distribution: How they are drawn: ``"substitute"``, ``"mask"`` or ``"delete"``, as for the defense
            ``randomized_smoothing``.
        keep: The share, or probability, of ``"mask"`` and ``"delete"``.
        substitutes: Table of synonyms of ``"substitute"``.
        size: Most words in a perturbation set.
    """

    distribution: str = "substitute"
    keep: float = 0.3
    substitutes: str = "wordnet"
    size: int = 100


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One ``[[stage]]``: its teachers, and what they are asked about; it begins with the weights the one before kept.

    Args:
        name: For messages.
        teachers: Its ``[[stage.teacher]]`` tables; the targets are the weighted sums of their scores.
        sources: Its ``[[stage.source]]`` tables.
        dev: So many queries of the first source decide when to stop; nothing is learnt from them.
        pairs: The teachers are asked about no more than so many, a fair sample of all sources.
        score_weight: Weight of the squared error of the scores themselves, beside that of the margins, which is 1.
        schedule: How long and how fast.
        noise: What the student reads in place of the texts.
    """

    name: str
    teachers: tuple[TeacherSpec, ...] = key("teacher")
    sources: tuple[SourceSpec, ...] = key("source")
    dev: int
    pairs: int | None = None
    score_weight: float = 0.0
    schedule: Schedule = field(default_factory=Schedule)
    noise: NoiseSpec | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """A whole training file.

    Args:
        name: Of the trained model.
        student: What is trained.
        stages: One after the other.
        exclude: Collections whose test queries must not occur, as folders in BEIR layout.
        seed: Of all randomness.
    """

    name: str
    student: StudentSpec
    stages: tuple[StageSpec | JudgedStageSpec, ...] = key("stage")
    exclude: tuple[str, ...] = ()
    seed: int = 13


def load(path: Path | str) -> TrainingSpec:
    """Read a training file; folders in it are taken from where the file lies.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest known one), or a wrong value.
    """
    where, folder = str(path), Path(path).parent
    spec = read_as(TrainingSpec, toml(read(path, "training file"), where), where, folder)
    if not spec.stages:
        raise ConfigError(f"{where}: needs at least one [[stage]]")
    for stage in spec.stages:
        place = f"{where}: stage {stage.name!r}"
        if isinstance(stage, JudgedStageSpec):
            check_judged(stage, place)
        else:
            _check(stage, place)
    return replace(
        spec,
        stages=tuple(_placed(stage, folder) for stage in spec.stages),
        exclude=tuple(str(folder / name) for name in spec.exclude),
    )


def _placed(stage: StageSpec | JudgedStageSpec, folder: Path) -> StageSpec | JudgedStageSpec:
    """The stage with its folders taken from where the file lies."""
    if isinstance(stage, JudgedStageSpec):
        return replace(stage, judged=tuple(replace(each, path=str(folder / each.path)) for each in stage.judged))
    return replace(stage, sources=tuple(replace(each, path=str(folder / each.path)) for each in stage.sources))


def _check(stage: StageSpec, where: str) -> None:
    if stage.dev < 1:
        raise ConfigError(f"{where}: dev must be at least 1: early stopping needs a development set")
    names = [source.name for source in stage.sources]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}: needs at least one [[stage.source]], each with a name of its own")
    if not stage.teachers:
        raise ConfigError(f"{where}: needs at least one [[stage.teacher]]")
    for source in stage.sources:
        if len(source.candidates) != len(STRATA) + 1:
            places = ", ".join(f"{start + 1}-{end}" for start, end in STRATA)
            raise ConfigError(
                f"{where}: source {source.name!r}: needs {len(STRATA) + 1} counts of candidates: {places}, random"
            )
    noise = stage.noise
    if noise is not None and (noise.distribution not in DISTRIBUTIONS or not 0.0 < noise.keep <= 1.0):
        raise ConfigError(
            f"{where}: [stage.noise] needs distribution as one of {', '.join(DISTRIBUTIONS)} "
            "and keep above 0 and at most 1, "
            f"not {noise.distribution!r} and {noise.keep!r}"
        )
