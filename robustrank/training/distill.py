"""Runs a training file: stages of distillation (Margin-MSE, Hofstätter et al. 2020) and of training on judgments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from robustrank.certificates import smoothing
from robustrank.core.errors import ContractError, MissingExtra, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress
from robustrank.core.training_types import AddsTexts, LowRank, WithEarlier
from robustrank.perturbations import substitutes
from robustrank.plugins import registry
from robustrank.rankers.models import onnx_int8, torch_models, weights
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.storage.hashing import digest
from robustrank.training import card, changes, from_labels, groups, losses, noise, robust
from robustrank.training.batches import Example, encode, tokenizer_of
from robustrank.training.card import StageCard
from robustrank.training.from_labels import Ready
from robustrank.training.groups import Group
from robustrank.training.judged_spec import JudgedStageSpec
from robustrank.training.noise import EditedGroups, Reading
from robustrank.training.parts import acting
from robustrank.training.spec import CompressStageSpec, StageSpec, StudentSpec, TrainingSpec, load
from robustrank.training.teacher import CachedTeacher
from robustrank.training.trainer import Course, fit
from robustrank.training.written import Writer

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def run(spec_path: Path | str, out: Path, progress: Progress) -> Path:
    """Run a training file; an interrupted run resumes from its checkpoints.

    Args:
        spec_path: The file (:mod:`robustrank.training.spec`).
        out: The output folder: ``teacher.sqlite`` and ``queries.sqlite`` (scores, and answers of language models, by
            content, for any training file), a folder of checkpoints for each stage, and the model.
        progress: Receives two phases per stage: preparation (teachers' scores in pairs, or lists) and training (in
            steps).

    Returns:
        The folder of the trained model, with tokenizer, config, the training file, ``courses.json`` with the losses
        and ``variant.json`` with what was changed of its parent; the cross-encoder ranker loads it.

    Raises:
        ConfigError: The training file is wrong.
        DataError: A source is wrong.
        MissingExtra: torch or the package of a bundled model is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("training", extra="torch", package=error.name or "torch") from error
    transformers.logging.set_verbosity_error()  # it warns that the head is newly initialised, as intended
    spec = load(spec_path)
    backbone = _folder(spec.student)
    tokenizer = tokenizer_of(backbone, spec.student.max_length)
    torch.manual_seed(spec.seed)
    model = _student(backbone, spec.student)
    parent = {name: weight.clone() for name, weight in model.state_dict().items()}
    courses: dict[str, Course] = {}
    cards: list[StageCard] = []
    kept: dict[str, Mapping[str, LowRank]] = {}
    earlier: list[Sequence[Group]] = []
    learned: dict[str, Any] = {}
    content = digest(asdict(spec.student), spec.seed)
    learns = any(not isinstance(stage, CompressStageSpec) for stage in spec.stages)
    forbidden = groups.forbidden_keys(spec.exclude) if learns else set()

    def teacher(plugin: Plugin) -> CachedTeacher:
        return CachedTeacher(registry.build("ranker", plugin), out / "teacher.sqlite")

    for stage in spec.stages:
        if isinstance(stage, CompressStageSpec):
            model = registry.build("compressor", stage.compress.plugin).attach(model, spec.seed).merged()
            content = digest(content, asdict(stage))
            cards.append(StageCard(name=stage.name, parts={"compressor": str(stage.compress.plugin)}))
            continue
        writer = Writer(out / "queries.sqlite", progress)
        changed = changes.begin(stage, model, spec.seed, learned)
        if isinstance(stage, JudgedStageSpec):
            ready = from_labels.ready(stage, model, tokenizer, forbidden, spec.seed, teacher, progress)
        else:
            ready = _ready(stage, model, tokenizer, forbidden, spec, teacher, writer, earlier, progress)
            earlier.append(ready.lists)
        parts = acting(stage, ready.model, ready.train, changed.attached, changed.factors, spec.seed)
        open_ = sum(each.numel() for each in ready.model.parameters() if each.requires_grad)
        content, before = digest(content, asdict(stage), ready.content), changed.figures(ready.dev)
        course = courses[stage.name] = fit(
            ready.model, ready.train, ready.dev, parts.objective(ready.objective(parts.reduce())), stage.schedule,
            seed=spec.seed, folder=out / "checkpoints" / f"{stage.name}-{content}", progress=progress,
            fresh=ready.fresh, optimizer=parts.optimizer, attached=changed.attached, factors=changed.factors,
        )  # fmt: skip
        figures = {"before": before, "after": changed.figures(ready.dev)} if before else {}
        model, updates = changed.end()
        if stage.adapter is not None and stage.adapter.keep is not None:
            kept[stage.adapter.keep] = updates
        cards.append(
            StageCard(
                name=stage.name, parts=stage.all, trained=open_, steps=course.step, best_step=course.best_step,
                pairs=course.pairs, figures=figures,
                written={name: dict(counts) for name, counts in writer.counts.items()},
            )
        )  # fmt: skip
    for merge in spec.merges:
        changes.merge(model, merge.plugin, [kept[name] for name in merge.adapters], merge.weights)
    if spec.student.change < 1:
        _keep_share(model, parent, spec.student.change)
    compressed = any(stage.compress is not None for stage in spec.stages)
    measured = card.measured(parent, model)
    folder = _export(model, backbone, Path(spec_path), courses, out / spec.name, single=compressed)
    card.write(folder, measured, spec.student.model, card.weights_digest(parent), cards, spec.seed)
    return folder


def _keep_share(model: Any, parent: Mapping[str, Any], share: float) -> None:
    import torch

    trained = model.state_dict()
    if {name: weight.shape for name, weight in trained.items()} != {n: weight.shape for n, weight in parent.items()}:
        raise PluginError("[student] change: the trained model has other parts than its parent, so none lies between")
    model.load_state_dict({name: torch.lerp(parent[name], trained[name], share) for name in trained})


def _ready(
    stage: StageSpec, model: Any, tokenizer: PairTokenizer, forbidden: set[str], spec: TrainingSpec,
    teacher: Callable[[Plugin], CachedTeacher], writer: Writer, earlier: Sequence[Sequence[Group]], progress: Progress,
) -> Ready:  # fmt: skip
    """The trainer's inputs for a stage of distillation; ``earlier`` are the lists of the stages before."""
    seed = spec.seed
    train, dev = groups.build(stage, forbidden, seed, writer.queries)
    for number, maker in enumerate(stage.lists):
        plugin = registry.build("list_maker", maker.plugin)
        if isinstance(plugin, WithEarlier):
            plugin = plugin.after(earlier)
        if isinstance(plugin, AddsTexts):
            plugin.check_apart(spec.exclude)
        train = list(plugin.lists(train, Random(f"{seed}|lists {number}")))
    teachers = [(teacher(each.plugin), each.weight) for each in stage.teachers]
    progress.start(f"{stage.name}: scores of teachers", sum(len(group.texts) for group in (*train, *dev)))
    train_examples, dev_examples = (list(_examples(part, teachers, tokenizer, progress)) for part in (train, dev))
    opponent = None
    if stage.adversary is not None:
        opponent = robust.adversary(stage.adversary, substitutes.load(stage.adversary.substitutes), tokenizer)
    objective = partial(robust.objective, partial(_loss, stage.score_weight), opponent, stage.invariance)
    content, readings = digest(train, dev), _readings(stage, seed)
    own = [
        group._replace(targets=example.targets)
        for group, example in zip(train, train_examples, strict=True)
        if not group.targets
    ]
    if not readings:
        return Ready(model, train_examples, dev_examples, objective, content, lists=own)
    fresh, held_out = (
        EditedGroups(
            readings, groups_, [example.targets for example in examples], tokenizer, seed,
            paired=stage.invariance is not None,
        )
        for groups_, examples in ((train, train_examples), (dev, dev_examples))
    )  # fmt: skip
    return Ready(model, train_examples, held_out.all(0), objective, content, fresh, own)


def _readings(stage: StageSpec, seed: int) -> list[Reading]:
    """What stands between the texts and the student, in order."""
    readings = []
    if (spec := stage.noise) is not None:
        distribution = smoothing.distribution(
            spec.distribution, keep=spec.keep, substitutes=spec.substitutes, size=spec.size
        )
        readings.append(noise.smoothed(distribution, seed))
    if stage.edits:
        readings.append(noise.edited([registry.build("training_edit", edit.plugin) for edit in stage.edits]))
    return readings


def _examples(
    groups_: Sequence[Group],
    teachers: Sequence[tuple[CachedTeacher, float]],
    tokenizer: PairTokenizer,
    progress: Progress,
) -> Iterator[Example]:
    for group in groups_:
        query, texts, targets = group
        if not targets:
            weighted = ([weight * score for score in teacher.scores(query, texts)] for teacher, weight in teachers)
            targets = tuple(sum(scores) for scores in zip(*weighted, strict=True))
        if len(targets) != len(texts):
            raise ContractError(
                f"[[stage.lists]]: the list of {query!r:.60} has {len(texts)} texts and {len(targets)} targets of an "
                "earlier stage; put replay after plug-ins that change texts"
            )
        yield encode(query, texts, targets, tokenizer)
        progress.advance(len(group.texts))


def _loss(score_weight: float, scores: Any, targets: Any) -> Any:
    return losses.margin_mse(scores, targets) + score_weight * losses.score_mse(scores, targets)


def _folder(student: StudentSpec) -> Path:
    where = Path(weights.resolve(student.model))
    if not (where / "tokenizer.json").is_file():
        raise PluginError(f"student {student.model!r}: give a bundled name or a local folder with a tokenizer.json")
    return where


def _student(folder: Path, student: StudentSpec) -> Any:
    from torch.nn import Dropout
    from transformers import AutoModelForSequenceClassification

    def loader() -> Any:
        if not (folder / "config.json").is_file():  # the bundled int8 cross-encoder, trained in float32
            return onnx_int8.dequantise(folder / "model.onnx")
        return torch_models.pretrained(AutoModelForSequenceClassification, folder, num_labels=1)

    model = torch_models.load("training", student.model, loader).float()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(fnmatch(part, each) for part in name.split(".") for each in student.freeze))
    for module in model.modules():  # after loading, because the name of the option differs between architectures
        if isinstance(module, Dropout):
            module.p = student.dropout
    return model


def _export(
    model: Any, backbone: Path, spec_path: Path, courses: Mapping[str, Course], folder: Path, *, single: bool
) -> Path:
    """The model's folder. Weights are saved in half precision, declared as float32 for inference.

    Those of a compressed model are saved in single precision, since half precision would move them off their grid.
    """
    (model.float() if single else model.half()).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (backbone / name).is_file():
            shutil.copyfile(backbone / name, folder / name)
    shutil.copyfile(spec_path, folder / "training.toml")
    text = json.dumps({name: asdict(course) for name, course in courses.items()}, indent=1)
    (folder / "courses.json").write_text(text + "\n", encoding="utf-8")
    return folder
