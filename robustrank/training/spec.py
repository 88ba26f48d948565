"""The training file: TOML in, frozen dataclasses out, read as strictly as the audit file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robustrank.certificates.smoothing import LAWS
from robustrank.config.audit_file import Reader
from robustrank.config.tables import read, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.training.judged_spec import JudgedStageSpec, read_stage
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
        law: How they are drawn: ``"substitute"``, ``"mask"`` or ``"delete"``, as for the defense
            ``randomized_smoothing``.
        keep: The share, or probability, of ``"mask"`` and ``"delete"``.
        substitutes: Table of synonyms of ``"substitute"``.
        size: Most words in a perturbation set.
    """

    law: str = "substitute"
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
    teachers: tuple[TeacherSpec, ...]
    sources: tuple[SourceSpec, ...]
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
    stages: tuple[StageSpec | JudgedStageSpec, ...]
    exclude: tuple[str, ...] = ()
    seed: int = 13


def load(path: Path | str) -> TrainingSpec:
    """Read a training file; folders in it are taken from where the file lies.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest known one), or a wrong value.
    """
    data = toml(read(path, "training file"), str(path))
    folder = Path(path).parent
    reader = Reader(str(path), folder)
    top = reader.table(
        data,
        "the top level",
        required={"name": str, "student": dict, "stage": list},
        optional={"exclude": list, "seed": int},
    )
    if not top["stage"]:
        raise ConfigError(f"{path}: needs at least one [[stage]]")
    return TrainingSpec(
        name=top["name"],
        student=reader.options(StudentSpec, top["student"], "[student]"),
        stages=tuple(_stage_of(reader, folder, table) for table in top["stage"]),
        exclude=tuple(str(folder / name) for name in top.get("exclude", ())),
        seed=top.get("seed", TrainingSpec.seed),
    )


def _stage_of(reader: Reader, folder: Path, table: Any) -> StageSpec | JudgedStageSpec:
    judged = isinstance(table, dict) and "judged" in table
    return read_stage(reader, folder, table) if judged else _stage(reader, folder, table)


def _stage(reader: Reader, folder: Path, table: Any) -> StageSpec:
    stage = reader.table(
        table,
        "[[stage]]",
        required={"name": str, "teacher": list, "source": list, "dev": int},
        optional={"pairs": int, "score_weight": float, "schedule": dict, "noise": dict},
    )
    where = f"{reader.where}: stage {stage['name']!r}"
    if stage["dev"] < 1:
        raise ConfigError(f"{where}: dev must be at least 1: without a development set nothing says when to stop")
    sources = tuple(_source(reader, folder, source) for source in stage["source"])
    names = [source.name for source in sources]
    if not sources or len(set(names)) < len(names):
        raise ConfigError(f"{where}: needs at least one [[stage.source]], each with a name of its own")
    if not stage["teacher"]:
        raise ConfigError(f"{where}: needs at least one [[stage.teacher]]")
    return StageSpec(
        name=stage["name"],
        teachers=tuple(_teacher(reader, table) for table in stage["teacher"]),
        sources=sources,
        dev=stage["dev"],
        pairs=stage.get("pairs"),
        score_weight=float(stage.get("score_weight", StageSpec.score_weight)),
        schedule=reader.options(Schedule, stage.get("schedule", {}), "[stage.schedule]"),
        noise=_noise(reader, stage["noise"]) if "noise" in stage else None,
    )


def _noise(reader: Reader, table: Any) -> NoiseSpec:
    noise: NoiseSpec = reader.options(NoiseSpec, table, "[stage.noise]")
    if noise.law not in LAWS or not 0.0 < noise.keep <= 1.0:
        raise ConfigError(
            f"{reader.where}: [stage.noise] needs law as one of {', '.join(LAWS)} and keep above 0 and at most 1, "
            f"not {noise.law!r} and {noise.keep!r}"
        )
    return noise


def _teacher(reader: Reader, table: Any) -> TeacherSpec:
    plugin, own = reader.plugin(table, "[[stage.teacher]]", {"weight": float})
    return TeacherSpec(plugin=plugin, weight=float(own.get("weight", TeacherSpec.weight)))


def _source(reader: Reader, folder: Path, table: Any) -> SourceSpec:
    source: SourceSpec = reader.options(SourceSpec, table, "[[stage.source]]")
    if len(source.candidates) != len(STRATA) + 1:
        places = ", ".join(f"{start + 1}-{end}" for start, end in STRATA)
        raise ConfigError(
            f"{reader.where}: source {source.name!r}: needs {len(STRATA) + 1} counts of candidates: {places}, random"
        )
    return replace(source, path=str(folder / source.path))
