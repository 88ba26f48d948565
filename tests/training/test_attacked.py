"""Adversarial training with attack plug-ins: what is read is what the attack makes, if it keeps its rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import ConfigError
from robustrank.core.interfaces import TrainingEdit
from robustrank.core.plugin_spec import parse
from robustrank.core.progress import Silent
from robustrank.core.types import Access, AttackSet, Case, Perturbation, Surface, ThreatModel
from robustrank.plugins import registry
from robustrank.testing import KilledAfter, WordWeights
from robustrank.training import distill
from robustrank.training.edits.attacked import Attacked

QUERY = "salt in the sea"
TEXTS = ["a moon", "the sea is wide", "salt and sun in the sea", "a bright sun"]


def made(plugin: str) -> TrainingEdit:
    edit: TrainingEdit = registry.build("training_edit", parse(plugin))
    return edit


def test_documents_are_as_the_attack_leaves_them() -> None:
    edit = Attacked(attack=registry.load("attack", "query_injection")(), ranker=WordWeights(), share=1.0)
    query, read = edit.edited(QUERY, TEXTS, Random(0))
    assert query == QUERY
    assert read == [f"{QUERY} {text}" for text in TEXTS]


def test_the_attack_meets_the_ranker_that_stands_in_and_the_clean_list() -> None:
    attack = registry.load("attack", "word_insertion")(access="scores")
    edit = Attacked(attack=attack, ranker=WordWeights(), budget={"edits": 2, "calls": 100}, share=1.0)
    _, read = edit.edited(QUERY, TEXTS, Random(0))
    terms = set(QUERY.split())
    for before, after in zip(TEXTS, read, strict=True):
        added = len(after.split()) - len(before.split())
        assert 0 <= added <= 2
        assert sum(w in terms for w in after.split()) >= sum(w in terms for w in before.split()) + added


def test_the_share_is_a_probability_and_draws_come_from_the_generator() -> None:
    attack = registry.load("attack", "query_injection")()
    none = Attacked(attack=attack, ranker=WordWeights(), share=0.0)
    assert none.edited(QUERY, TEXTS, Random(0))[1] == TEXTS
    half = Attacked(attack=attack, ranker=WordWeights(), share=0.5)
    drawn = [half.edited(QUERY, TEXTS, Random(seed))[1] for seed in range(500)]
    changed = sum(a != b for read in drawn for a, b in zip(read, TEXTS, strict=True))
    assert changed / 2000 == pytest.approx(0.5, abs=0.05)
    assert half.edited(QUERY, TEXTS, Random(7)) == half.edited(QUERY, TEXTS, Random(7))


INSERTS = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"))


@dataclass(frozen=True)
class Rewrites:
    """Breaks its rules: it may insert, and writes another text."""

    threat: ThreatModel = field(default_factory=lambda: INSERTS)

    def perturb(self, case: Case, oracle: object, rng: Random, /) -> Perturbation:
        return Perturbation(target="something else")


def test_what_breaks_the_rules_of_the_attack_is_not_learned_from() -> None:
    edit = Attacked(attack=Rewrites(), ranker=WordWeights(), budget={"edits": 3}, share=1.0)
    assert edit.edited(QUERY, TEXTS, Random(0))[1] == TEXTS


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("attack(attack={'use': 'query_injection'}, ranker={'use': 'random'}, share=2)", "share must be from 0 to 1"),
        ("attack(attack={'use': 'query_injection'}, ranker={'use': 'random'}, budget={'edit': 2})", "not 'edit'"),
    ],
)
def test_what_it_cannot_do_is_refused(plugin: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(plugin)


def test_a_training_file_may_name_an_attack_and_goes_on_after_a_kill(training: Path, tmp_path: Path) -> None:
    table = 'checkpoint = 2 }\n[[stage.edit]]\nuse = "attack"\nshare = 0.5\nattack = { use = "template_sentence" }\n'
    training.write_text(training.read_text().replace("checkpoint = 2 }", f'{table}ranker = {{ use = "random" }}\n'))
    whole = distill.run(training, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(12))
    again = distill.run(training, tmp_path / "cut", Silent())
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
