"""The training file: TOML to frozen dataclasses, checked as the audit file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from robustrank.certificates.smoothing import DISTRIBUTIONS
from robustrank.config.tables import check_name, key, read, read_as, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.training.judged_spec import JudgedStageSpec, check_judged
from robustrank.training.parts import CompressSpec, Parts
from robustrank.training.robust import AdversarySpec, Invariance
from robustrank.training.trainer import Schedule

STRATA = ((0, 5), (5, 20), (20, 100))
"""Rank ranges, as slices, that candidates are drawn from; a last stratum is the whole collection."""


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """``generator`` of a source without ``split``: a language model that writes the queries (Promptagator).

    Args:
        plugin: The language model, such as ``{ use = "transformers" }``.
        examples: A file with at most 8 examples for its prompt, one JSON object a line: ``query`` and ``text``.
    """

    plugin: Plugin
    examples: str | None = None


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """One ``[[stage.source]]``: queries and passages out of a folder in BEIR layout.

    Args:
        name: Name in messages, and part of the seed of all draws from the source.
        path: The folder.
        split: Split whose queries are used (its judgments are not); without it, queries are generated from the
            passages.
        queries: Largest number of queries.
        rounds: Queries generated from each passage.
        generator: A language model that writes the queries; without one they are made by templates.
        runs: Runs in ``runs/`` that candidates are drawn from; without any, BM25.
        candidates: Candidates drawn from ranks 1-5, 6-20 and 21-100 of each ranking, and from the whole collection.
        words: Passages are cut to this many words, with probability 1/2 from the start of a random sentence.
        titles: Whether a document's title is part of its text.
    """

    name: str
    path: str
    split: str | None = None
    queries: int | None = None
    rounds: int = 1
    generator: GeneratorSpec | None = None
    runs: tuple[str, ...] = ()
    candidates: tuple[int, ...] = (3, 2, 2, 1)
    words: int = 48
    titles: bool = True


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """``[student]``: the pretrained encoder and its settings.

    Args:
        model: The encoder: a bundled name or a local folder.
        max_length: Word pieces of a pair.
        dropout: Dropout of hidden states and attention; none by default, because overfitting of real-valued teacher
            scores is slight and dropout costs a small student capacity.
        freeze: Names of parts whose weights stay as they are, such as ``"embeddings"``; ``*`` stands for anything.
        change: Share of the change of every weight that is kept at the end: below 1 the model lies between what it was
            and what training made of it (Wortsman et al. 2022, who found such models more robust out of distribution).
    """

    model: str
    max_length: int = 128
    dropout: float = 0.0
    freeze: tuple[str, ...] = ()
    change: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TeacherSpec:
    """One ``[[stage.teacher]]``: a pointwise ranker plug-in, and the weight of its scores in the targets' sum.

    Weights bring teachers to one scale: a cosine spreads over tenths, the scores of a sparse encoder over units.
    """

    plugin: Plugin
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """``[stage.noise]``: the student reads perturbed texts, as a smoothed ranker does; teachers read clean texts.

    Args:
        distribution: Of the perturbed texts: ``"substitute"``, ``"mask"`` or ``"delete"``, as for the defense
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
class EditSpec:
    """One ``[[stage.edit]]``: a plug-in that edits what the student reads; teachers read clean texts."""

    plugin: Plugin


@dataclass(frozen=True, kw_only=True)
class ListsSpec:
    """One ``[[stage.lists]]``: a plug-in that makes, filters or draws training lists."""

    plugin: Plugin


@dataclass(frozen=True, kw_only=True)
class StageSpec(Parts):
    """One ``[[stage]]``: a stage of distillation; it starts from the weights of the stage before.

    Args:
        name: Name in messages and of its checkpoints.
        teachers: Its ``[[stage.teacher]]`` tables; the targets are the weighted sums of their scores.
        sources: Its ``[[stage.source]]`` tables.
        lists: Its ``[[stage.lists]]`` tables, applied in order to the training lists, before teachers score them.
        dev: Number of development queries, of the first source, for early stopping.
        pairs: Largest number of pairs of the sources that teachers score, a random sample of all sources; texts that
            ``[[stage.lists]]`` add come on top.
        score_weight: Weight of the squared error of the scores themselves, beside that of the margins, which is 1.
        schedule: Number of steps, learning rate and checkpoints.
        noise: Perturbations that the student reads in place of the texts.
        edits: Its ``[[stage.edit]]`` tables, applied in order, after the noise.
        adversary: Replaces words of what is read by the student's gradients.
        invariance: The student learns from unedited texts, and to order edited ones in the same way.
    """

    name: str
    teachers: tuple[TeacherSpec, ...] = key("teacher")
    sources: tuple[SourceSpec, ...] = key("source")
    lists: tuple[ListsSpec, ...] = ()
    dev: int
    pairs: int | None = None
    score_weight: float = 0.0
    schedule: Schedule = field(default_factory=Schedule)
    noise: NoiseSpec | None = None
    edits: tuple[EditSpec, ...] = key("edit", default=())
    adversary: AdversarySpec | None = None
    invariance: Invariance | None = None

    @property
    def all(self) -> Mapping[str, str]:
        """Those of every stage, those that make its lists, and those that edit what is read."""
        lists = ", ".join(str(each.plugin) for each in self.lists)
        edits = ", ".join(str(each.plugin) for each in self.edits)
        own = {"list_maker": lists, "training_edit": edits}
        return {**super().all, **{kind: text for kind, text in own.items() if text}}


@dataclass(frozen=True, kw_only=True)
class CompressStageSpec:
    """One ``[[stage]]`` without data: the model is made smaller, and nothing is learned.

    Args:
        name: Name in messages.
        compress: What makes it smaller.
    """

    name: str
    compress: CompressSpec


@dataclass(frozen=True, kw_only=True)
class MergeSpec:
    """One ``[[merge]]``: updates that adapters kept are merged into the weights, after all stages.

    Args:
        plugin: How.
        adapters: Names that ``[stage.adapter]`` tables ``keep``.
        weights: Of each; all 1 without them.
    """

    plugin: Plugin
    adapters: tuple[str, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """A whole training file.

    Args:
        name: Name of the trained model.
        student: The model that is trained.
        stages: The stages, in order.
        merges: Merges of adapters, after the stages.
        exclude: Folders in BEIR layout whose test queries are left out.
        seed: Seed of all randomness.
    """

    name: str
    student: StudentSpec
    stages: tuple[StageSpec | JudgedStageSpec | CompressStageSpec, ...] = key("stage")
    merges: tuple[MergeSpec, ...] = key("merge", default=())
    exclude: tuple[str, ...] = ()
    seed: int = 13


def load(path: Path | str) -> TrainingSpec:
    """Read a training file; folders in it are relative to the file's folder.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest valid one), or a wrong value.
    """
    where, folder = str(path), Path(path).parent
    spec = read_as(TrainingSpec, toml(read(path, "training file"), where), where, folder)
    if not spec.stages:
        raise ConfigError(f"{where}: needs at least one [[stage]]")
    if not 0.0 <= spec.student.change <= 1.0:
        raise ConfigError(f"{where}: [student]: change must be from 0 to 1, not {spec.student.change}")
    for stage in spec.stages:
        place = f"{where}: stage {stage.name!r}"
        if isinstance(stage, JudgedStageSpec):
            check_judged(stage, place)
        elif isinstance(stage, StageSpec):
            _check(stage, place)
    _check_merges(spec, where)
    return replace(
        spec,
        stages=tuple(_placed(stage, folder) for stage in spec.stages),
        exclude=tuple(str(folder / name) for name in spec.exclude),
    )


def _check_merges(spec: TrainingSpec, where: str) -> None:
    kept = [
        stage.adapter.keep
        for stage in spec.stages
        if not isinstance(stage, CompressStageSpec) and stage.adapter is not None and stage.adapter.keep is not None
    ]
    if len(set(kept)) < len(kept):
        raise ConfigError(f"{where}: two [stage.adapter] tables keep their update under one name")
    used = [name for merge in spec.merges for name in merge.adapters]
    for number, merge in enumerate(spec.merges, start=1):
        place = f"{where}: [[merge]] {number}"
        for name in merge.adapters:
            check_name(name, kept, f"{place}: adapter")
        if not merge.adapters or len(merge.weights) not in (0, len(merge.adapters)):
            raise ConfigError(f"{place}: needs adapters, and no weights or one for each")
    if unused := set(kept) - set(used):
        raise ConfigError(f"{where}: no [[merge]] uses the kept adapter {min(unused)!r}; without one it has no effect")


def _placed(
    stage: StageSpec | JudgedStageSpec | CompressStageSpec, folder: Path
) -> StageSpec | JudgedStageSpec | CompressStageSpec:
    """The stage with its folders resolved relative to the file's folder."""
    if isinstance(stage, CompressStageSpec):
        return stage
    if isinstance(stage, JudgedStageSpec):
        return replace(stage, judged=tuple(replace(each, path=str(folder / each.path)) for each in stage.judged))
    return replace(stage, sources=tuple(_placed_source(each, folder) for each in stage.sources))


def _placed_source(source: SourceSpec, folder: Path) -> SourceSpec:
    generator = source.generator
    if generator is not None and generator.examples is not None:
        generator = replace(generator, examples=str(folder / generator.examples))
    return replace(source, path=str(folder / source.path), generator=generator)


def _check(stage: StageSpec, where: str) -> None:
    if stage.dev < 1:
        raise ConfigError(f"{where}: dev must be at least 1: early stopping needs a development set")
    names = [source.name for source in stage.sources]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}: needs at least one [[stage.source]], each with a name of its own")
    if not stage.teachers:
        raise ConfigError(f"{where}: needs at least one [[stage.teacher]]")
    for source in stage.sources:
        if source.generator is not None and source.split is not None:
            raise ConfigError(
                f"{where}: source {source.name!r}: generator writes queries for passages, and split takes those of a "
                "collection; leave one of them out"
            )
        if len(source.candidates) != len(STRATA) + 1:
            places = ", ".join(f"{start + 1}-{end}" for start, end in STRATA)
            raise ConfigError(
                f"{where}: source {source.name!r}: needs {len(STRATA) + 1} counts of candidates: {places}, random"
            )
    stage.check(where)
    _check_robust(stage, where)
    noise = stage.noise
    if noise is not None and (noise.distribution not in DISTRIBUTIONS or not 0.0 < noise.keep <= 1.0):
        raise ConfigError(
            f"{where}: [stage.noise] needs distribution as one of {', '.join(DISTRIBUTIONS)} "
            "and keep above 0 and at most 1, "
            f"not {noise.distribution!r} and {noise.keep!r}"
        )


def _check_robust(stage: StageSpec, where: str) -> None:
    opponent, invariance = stage.adversary, stage.invariance
    if opponent is not None and not (opponent.words >= opponent.steps >= 1 and 0.0 <= opponent.share <= 1.0):
        raise ConfigError(f"{where}: [stage.adversary] needs words >= steps >= 1 and a share from 0 to 1")
    if invariance is not None and not (invariance.weight >= 0.0 and invariance.temperature > 0.0):
        raise ConfigError(f"{where}: [stage.invariance] needs a weight of at least 0 and a temperature above 0")
    if invariance is not None and not (stage.edits or stage.noise or opponent):
        raise ConfigError(
            f"{where}: [stage.invariance] compares with edited texts; add [[stage.edit]], [stage.noise] or "
            "[stage.adversary]"
        )
