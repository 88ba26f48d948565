"""The trainer: the same result in every run and after a kill, early stopping, and a folder that the ranker loads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForSequenceClassification

from robustrank.core.errors import PluginError
from robustrank.core.progress import Silent
from robustrank.core.types import Document, Query
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.testing import KilledAfter
from robustrank.training import distill, losses
from robustrank.training.adapters.peft_adapter import Peft
from robustrank.training.batches import Example
from robustrank.training.coupled import CoupledObjective, Coupling, couple
from robustrank.training.trainer import BEST, CHECKPOINT, Course, Schedule, fit, of_scores

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "salt", "sea", "sun", "moon", "where", "is", "the", "wide", "bright"]
SCHEDULE = Schedule(epochs=3, lists=2, size=4, learning_rate=1e-2, checkpoint=5)


def model() -> Any:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, num_labels=1,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def examples(number: int, seed: int) -> list[Example]:
    """Lists of six whose targets say how often word 5 occurs: something to be learnt."""
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(number):
        ids = tuple(rng.integers(4, 9, size=rng.integers(5, 9)).astype(np.int32) for _ in range(6))
        targets = tuple(float(4 * (row == 5).sum()) for row in ids)
        examples.append(Example(ids, tuple(np.zeros_like(row) for row in ids), targets))
    return examples


def trained(folder: Path, schedule: Schedule = SCHEDULE, stop: int | None = None) -> tuple[Course, dict[str, Any]]:
    student = model()
    course = fit(
        student, examples(24, 1), examples(6, 2), of_scores(losses.margin_mse), schedule, seed=13, folder=folder,
        progress=Silent() if stop is None else KilledAfter(stop),
    )  # fmt: skip
    return course, student.state_dict()


def coupled_run(folder: Path, stop: int | None = None) -> tuple[Course, dict[str, Any]]:
    """CET, with dropout so that the weights need a pass of their own; word 5 was labelled, evidence tells of word 6."""
    ranker = model()
    for module in ranker.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    both = couple(ranker, 1, Coupling())
    train, dev = ([labelled(each) for each in examples(number, seed)] for number, seed in ((24, 1), (6, 2)))
    schedule = replace(SCHEDULE, size=6)
    course = fit(
        both,
        train,
        dev,
        CoupledObjective(Coupling()),
        schedule,
        seed=13,
        folder=folder,
        progress=Silent() if stop is None else KilledAfter(stop),
    )
    return course, both.state_dict()


def labelled(example: Example) -> Example:
    best = max(range(6), key=lambda place: example.targets[place])
    targets = tuple(float(place == best) for place in range(6))
    return example._replace(targets=targets, evidence=tuple((float((row == 6).sum()),) for row in example.ids))


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


def test_a_student_learns_what_the_teacher_rewards(tmp_path: Path) -> None:
    course, _ = trained(tmp_path, Schedule(epochs=20, lists=4, size=6, learning_rate=1e-2, checkpoint=20, patience=9))
    first, last = course.history[0][2], course.best
    assert last < first / 2


def test_two_runs_of_one_seed_are_equal_to_the_bit(tmp_path: Path) -> None:
    (one, weights), (other, again) = trained(tmp_path / "1"), trained(tmp_path / "2")
    assert one == other
    assert same(weights, again)


@pytest.mark.parametrize("stop", [1, 5, 6, 17])
def test_a_run_cut_off_anywhere_goes_on_to_the_same_result(tmp_path: Path, stop: int) -> None:
    expected, weights = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", stop=stop)
    course, again = trained(tmp_path / "cut")
    assert course == expected
    assert same(weights, again)


@pytest.mark.parametrize("stop", [2, 5, 8])
def test_coupled_models_cut_off_anywhere_go_on_to_the_same_result(tmp_path: Path, stop: int) -> None:
    expected, weights = coupled_run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        coupled_run(tmp_path / "cut", stop)
    course, again = coupled_run(tmp_path / "cut")
    assert course == expected
    assert same(weights, again)
    assert len(course.figures) == len(course.history)
    shares = [figures["effective share of negatives, relevance"] for figures in course.figures]
    assert all(0 < share <= 1 for share in shares)


def test_kill_9_while_training_loses_only_the_steps_since_the_checkpoint(tmp_path: Path) -> None:
    script = (
        "import os, runpy, signal, sys\n"
        "from pathlib import Path\n"
        "tests = runpy.run_path(sys.argv[1])\n"
        "class Killer:\n"
        "    steps = 0\n"
        "    def start(self, phase, total): pass\n"
        "    def advance(self, n=1):\n"
        "        self.steps += n\n"
        "        if self.steps == 8: os.kill(os.getpid(), signal.SIGKILL)\n"
        "tests['fit'](tests['model'](), tests['examples'](24, 1), tests['examples'](6, 2),\n"
        "    tests['of_scores'](tests['losses'].margin_mse),\n"
        "    tests['SCHEDULE'], seed=13, folder=Path(sys.argv[2]), progress=Killer())\n"
    )
    died = subprocess.run([sys.executable, "-c", script, __file__, str(tmp_path / "cut")], check=False)
    assert died.returncode == -signal.SIGKILL
    assert json.loads(_metadata(tmp_path / "cut" / CHECKPOINT)["course"])["step"] == 5
    course, again = trained(tmp_path / "cut")
    expected, weights = trained(tmp_path / "whole")
    assert course == expected
    assert same(weights, again)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return dict(file.metadata())


def test_training_stops_when_the_development_set_gains_nothing_more_and_keeps_the_best(tmp_path: Path) -> None:
    wild = Schedule(epochs=400, lists=2, size=4, learning_rate=0.5, checkpoint=2, patience=3)
    course, weights = trained(tmp_path, wild)
    assert course.stale == 3
    assert course.step == course.best_step + 3 * 2 < 400 * 24
    assert course.best == min(dev for _, _, dev in course.history)
    assert same(weights, load_file(tmp_path / BEST))


def test_a_training_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="needs training and development examples"):
        fit(
            model(),
            [],
            examples(2, 1),
            of_scores(losses.margin_mse),
            SCHEDULE,
            seed=1,
            folder=tmp_path,
            progress=Silent(),
        )


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training file, its collection, and a random BERT of sixteen dimensions to train."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    model().save_pretrained(tmp_path / "backbone")
    tokenizer.save(str(tmp_path / "backbone" / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (tmp_path / "backbone" / "tokenizer_config.json").write_text(json.dumps(kind))
    qrels = tmp_path / "home" / "qrels"
    qrels.mkdir(parents=True)
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(WORDS[4:], size=8)) for _ in range(40)]
    passages = [json.dumps({"_id": f"d{i}", "text": text}) for i, text in enumerate(texts)]
    (tmp_path / "home" / "corpus.jsonl").write_text("\n".join(passages))
    queries = [json.dumps({"_id": f"q{i}", "text": " ".join(text.split()[:3])}) for i, text in enumerate(texts[:12])]
    (tmp_path / "home" / "queries.jsonl").write_text("\n".join(queries))
    rows = "\n".join(f"q{i}\td{i}\t1" for i in range(12))
    (qrels / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}\n")
    stage = """
        [[stage]]
        name = "{name}"
        teacher = [{{ use = "random", seed = {seed} }}, {{ use = "random", seed = 7, weight = 0.5 }}]
        dev = 2
        score_weight = 0.5
        schedule = {{ epochs = 2, checkpoint = 2, learning_rate = 0.01 }}
        [[stage.source]]
        name = "asked"
        path = "home"
        split = "train"
        """
    head = f'name = "grown"\n[student]\nmodel = "{tmp_path / "backbone"}"\nmax_length = 24\n'
    file = tmp_path / "training.toml"
    file.write_text(head + stage.format(name="first", seed=1) + stage.format(name="second", seed=2))
    return file


def test_a_training_file_becomes_a_ranker(training: Path, tmp_path: Path) -> None:
    folder = distill.run(training, tmp_path / "out", Silent())
    assert folder == tmp_path / "out" / "grown"
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    ranker = CrossEncoder(model=str(folder), max_length=24)
    docs = [Document("a", "the sea is wide"), Document("b", "the moon is bright"), Document("c", "salt")]
    scores = ranker.score(Query("q", "where is the sea"), docs)
    assert len(set(scores)) == 3
    assert ranker._backend.torch_model.dtype == torch.float32
    assert (folder / "training.toml").read_text() == training.read_text()
    assert list(json.loads((folder / "courses.json").read_text())) == ["first", "second"]
    again = distill.run(training, tmp_path / "again", Silent())
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


FROM_LABELS = """
name = "grown"
[student]
model = "{backbone}"
max_length = 24
dropout = 0.1
[[stage]]
name = "labels"
dev = 2
schedule = {{ epochs = 2, checkpoint = 2, learning_rate = 0.01 }}
[stage.selection]
[[stage.judged]]
name = "home"
path = "home"
first_stage = {{ use = "bm25" }}
ranks = [1, 20]
filter = {{ use = "random", seed = 1, share = 0.9 }}
evidence = [{{ use = "bm25" }}]
"""


def test_a_training_file_with_judgments_becomes_a_ranker_and_logs_effective_sample_sizes(
    training: Path, tmp_path: Path
) -> None:
    training.write_text(FROM_LABELS.format(backbone=tmp_path / "backbone"))
    folder = distill.run(training, tmp_path / "out", Silent())
    (course,) = json.loads((folder / "courses.json").read_text()).values()
    assert len(course["figures"]) == len(course["history"]) > 0
    assert 0 < course["figures"][0]["effective share of negatives, selection"] <= 1
    ranker = CrossEncoder(model=str(folder), max_length=24)
    assert len(set(ranker.score(Query("q", "where"), [Document("a", "the sea"), Document("b", "salt")]))) == 2
    assert not [name for name in load_file(folder / "model.safetensors") if "selection" in name]
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(12))
    again = distill.run(training, tmp_path / "cut", Silent())
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_merged_adapter_is_w_plus_ba_and_a_disabled_one_the_base_to_the_bit(tmp_path: Path) -> None:
    base = model().eval()
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    inputs = {"input_ids": torch.tensor([[2, 5, 6, 3, 7, 3]])}
    with torch.no_grad():
        plain = base(**inputs).logits
    adapter = Peft(options={"r": 2}).attach(base, 13).adapter
    fit(
        adapter.get_base_model(), examples(24, 1), examples(6, 2), of_scores(losses.margin_mse), SCHEDULE, seed=13,
        folder=tmp_path, progress=Silent(),
    )  # fmt: skip
    adapter.eval()
    with torch.no_grad():
        learnt = adapter(**inputs).logits
        with adapter.disable_adapter():
            assert torch.equal(adapter(**inputs).logits, plain)
    query = "bert.encoder.layer.0.attention.self.query"
    update = adapter.get_base_model().get_submodule(query)
    a, b = update.lora_A["default"].weight.detach(), update.lora_B["default"].weight.detach()
    merged = adapter.merge_and_unload()
    assert merged.state_dict().keys() == before.keys()
    assert b.abs().max() > 0
    assert torch.allclose(merged.get_submodule(query).weight, before[f"{query}.weight"] + 2 * b @ a, atol=1e-7)
    assert torch.equal(
        merged.state_dict()["bert.embeddings.word_embeddings.weight"], before["bert.embeddings.word_embeddings.weight"]
    )
    with torch.no_grad():
        assert torch.allclose(merged(**inputs).logits, learnt, atol=1e-5)
        assert not torch.allclose(learnt, plain, atol=1e-2)


def test_a_training_file_may_ask_for_an_adapter(training: Path, tmp_path: Path) -> None:
    adapter = 'checkpoint = 2 }\n\n[stage.adapter]\nuse = "peft"\nfactor = 10.0\noptions = { r = 2 }\n'
    training.write_text(training.read_text().replace("checkpoint = 2 }", adapter))
    folder = distill.run(training, tmp_path / "out", Silent())
    assert load_file(folder / "model.safetensors").keys() == model().state_dict().keys()
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(12))
    again = distill.run(training, tmp_path / "cut", Silent())
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("stop", [3, 12, 15])
def test_a_whole_run_cut_off_in_any_phase_makes_the_same_ranker(training: Path, tmp_path: Path, stop: int) -> None:
    whole = distill.run(training, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(stop))
    made = distill.run(training, tmp_path / "cut", Silent())
    assert (made / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_student_without_a_tokenizer_is_refused_with_what_can_be_given(training: Path, tmp_path: Path) -> None:
    (tmp_path / "backbone" / "tokenizer.json").unlink()
    with pytest.raises(PluginError, match=r"tokenizer\.json"):
        distill.run(training, tmp_path / "out", Silent())
