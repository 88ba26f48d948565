"""Robust training: what edits do, what the adversary does, what is learned, and that nothing of it leaks."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Silent
from robustrank.core.words import words
from robustrank.perturbations.substitutes import SubstituteTable
from robustrank.plugins import registry
from robustrank.rankers.models import first_token, weights
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.rankers.models.torch_models import pretrained
from robustrank.testing import KilledAfter
from robustrank.training import distill, losses, noise, robust
from robustrank.training.batches import Batch, collate, encode
from robustrank.training.groups import Group
from robustrank.training.noise import EditedGroups
from robustrank.training.robust import Adversary, AdversarySpec, Invariance
from robustrank.training.spec import load
from robustrank.training.trainer import of_scores, scores_of

QUERY = "where is the wide sea"
TEXTS = ["The sea is wide. Salt is white.", "Ships sail at night.", "The moon is far. It is bright."]
TABLE = SubstituteTable(
    "test", "digest", {"wide": ("broad", "large", "vast"), "white": ("pale", "bright"), "bright": ("white",)}
)


def built(use: str, **params: object) -> Any:
    return registry.build("training_edit", Plugin(use=use, params=params))


@pytest.fixture(scope="module")
def tokenizer() -> PairTokenizer:
    return PairTokenizer.from_file(Path(weights.resolve("robustrank-tiny")) / "tokenizer.json", 48)


@pytest.fixture(scope="module")
def tiny() -> Any:
    from transformers import AutoModelForSequenceClassification

    return pretrained(
        AutoModelForSequenceClassification, Path(weights.resolve("robustrank-tiny")), num_labels=1
    ).float()


def batch_of(tokenizer: PairTokenizer, targets: tuple[float, ...] = (3.0, 2.0, 1.0)) -> Batch:
    return collate([encode(QUERY, TEXTS, targets, tokenizer)], [(0, (0, 1, 2))], 0)


VARIATION = {"use": "query_operations", "operations": ["swap", "delete", "keyboard"]}


@pytest.mark.parametrize(
    ("use", "params"),
    [("query_words", {}), ("synonyms", {}), ("sentences", {}), ("query_variation", {"variation": VARIATION})],
)
def test_a_share_of_none_changes_nothing_and_of_all_everything_that_can_change(use: str, params: Any) -> None:
    none, every = built(use, share=0.0, **params), built(use, share=1.0, **params)
    assert none.edited(QUERY, TEXTS, Random(1)) == (QUERY, TEXTS)
    query, texts = every.edited(QUERY, TEXTS, Random(1))
    assert every.edited(QUERY, TEXTS, Random(1)) == (query, texts)
    if use == "query_variation":
        assert query != QUERY
        assert texts == TEXTS
    else:
        assert query == QUERY
        assert all(text != clean for text, clean in zip(texts, TEXTS, strict=True))
    with pytest.raises(PluginError, match="share"):
        built(use, share=1.5, **params)


def test_words_of_the_query_are_put_in_and_nothing_else() -> None:
    edit = built("query_words", share=1.0, most=3)
    blocks, spread = 0, 0
    for seed in range(40):
        _, (text,) = edit.edited(QUERY, TEXTS[:1], Random(seed))
        clean, added = [w.text for w in words(TEXTS[0])], [w.text for w in words(text)]
        for word in clean:
            added.remove(word)
        assert added
        assert set(added) <= set(QUERY.split())
        blocks += QUERY in text
        spread += len(added) <= 3
    assert blocks > 8
    assert spread > 8


def test_synonyms_are_those_of_the_table_and_no_more_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text('{"wide": ["broad"], "salt": ["brine"]}')
    edit = built("synonyms", share=1.0, words=1, substitutes=str(tmp_path / "table.json"))
    seen = {edit.edited(QUERY, TEXTS[:1], Random(seed))[1][0] for seed in range(20)}
    assert seen == {"The sea is broad. Salt is white.", "The sea is wide. Brine is white."}


def test_a_sentence_comes_from_another_document() -> None:
    _, texts = built("sentences", share=1.0).edited(QUERY, TEXTS, Random(3))
    foreign = [["Ships sail at night.", "The moon is far.", "It is bright."]]
    assert any(sentence in texts[0] for sentence in foreign[0])
    assert built("sentences", share=1.0).edited(QUERY, TEXTS[:1], Random(3)) == (QUERY, TEXTS[:1])


def test_an_edit_that_loses_a_text_is_an_error() -> None:
    class Loses:
        def edited(self, query: str, texts: Any, rng: Random, /) -> tuple[str, list[str]]:
            return query, list(texts[1:])

    with pytest.raises(ContractError, match="2 texts for 3"):
        noise.edited([Loses()])(QUERY, TEXTS, 0, Random(1))


def test_pairs_of_clean_and_edited_lists_have_the_same_targets_and_places(tokenizer: PairTokenizer) -> None:
    reading = noise.edited([built("query_words", share=1.0)])
    groups = [Group(QUERY, tuple(TEXTS))]
    paired = EditedGroups([reading], groups, [(3.0, 2.0, 1.0)], tokenizer, 13, paired=True)
    example = paired(0, (2, 0), 5)
    clean = encode(QUERY, [TEXTS[2], TEXTS[0]], (1.0, 3.0), tokenizer)
    assert example.targets == clean.targets
    assert [ids.tolist() for ids in example.ids] == [ids.tolist() for ids in clean.ids]
    assert example.twin is not None
    alone = EditedGroups([reading], groups, [(3.0, 2.0, 1.0)], tokenizer, 13)(0, (2, 0), 5)
    assert [ids.tolist() for ids in example.twin.ids] == [ids.tolist() for ids in alone.ids]
    assert all(len(a) > len(b) for a, b in zip(example.twin.ids, example.ids, strict=True))
    batch = collate([example], [(0, (0, 1))], 0)
    assert batch.twin is not None
    assert batch.twin["input_ids"].shape[0] == 2


def test_edits_are_drawn_anew_for_every_step_and_list_and_again_in_the_same_way(tokenizer: PairTokenizer) -> None:
    groups = [Group(QUERY, tuple(TEXTS)), Group(QUERY, tuple(TEXTS))]
    fresh = EditedGroups(
        [noise.edited([built("query_words", share=1.0)])], groups, [(3.0, 2.0, 1.0)] * 2, tokenizer, 13
    )

    def read(number: int, step: int) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(ids.tolist()) for ids in fresh(number, (0, 1), step).ids)

    assert len({read(number, step) for number in (0, 1) for step in range(10)}) > 15
    assert read(0, 7) == read(0, 7)


def test_the_divergence_is_that_of_the_softmax_of_what_is_there() -> None:
    reference = torch.tensor([[1.0, 2.0, 9.0], [0.5, -1.0, 2.0]])
    scores = torch.tensor([[2.0, 0.0, -5.0], [0.5, 1.0, 1.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 1.0, torch.nan], [1.0, 1.0, 1.0]])
    p, q = (torch.softmax(each[0, :2] / 2, 0) for each in (reference, scores.detach()))
    r, s = (torch.softmax(each[1] / 2, 0) for each in (reference, scores.detach()))
    expected = ((p * (p / q).log()).sum() + (r * (r / s).log()).sum()) / 2
    value = losses.divergence(reference, scores, targets, 2.0)
    assert float(value.detach()) == pytest.approx(float(expected), abs=1e-6)
    assert float(losses.divergence(reference, reference + 3.0, targets)) == pytest.approx(0.0, abs=1e-6)
    (gradient,) = torch.autograd.grad(value, scores)
    step = torch.zeros_like(scores)
    step[1, 2] = 1e-3
    plus, minus = (losses.divergence(reference, scores.detach() + d, targets, 2.0) for d in (step, -step))
    assert float(gradient[1, 2]) == pytest.approx(float(plus - minus) / 2e-3, abs=1e-3)
    assert float(gradient[0, 2]) == 0.0


def test_invariance_to_nothing_costs_nothing_and_weight_none_is_plain_training(
    tiny: Any, tokenizer: PairTokenizer
) -> None:
    tiny.eval()
    batch = batch_of(tokenizer)
    plain = of_scores(losses.margin_mse)(tiny, batch).loss
    same = robust.objective(losses.margin_mse, None, Invariance(weight=5.0))(tiny, batch._replace(twin=batch.inputs))
    assert same.loss.item() == pytest.approx(plain.item(), abs=1e-6)
    assert same.figures["divergence"] == pytest.approx(0.0, abs=1e-7)
    other = collate([encode(QUERY, [f"{QUERY} {t}" for t in TEXTS], (3.0, 2.0, 1.0), tokenizer)], [(0, (0, 1, 2))], 0)
    for weight, moved in ((0.0, False), (2.0, True)):
        outcome = robust.objective(losses.margin_mse, None, Invariance(weight=weight))(
            tiny, batch._replace(twin=other.inputs)
        )
        assert outcome.figures["divergence"] > 1e-4
        assert (outcome.loss.item() > plain.item() + 1e-5) is moved
    assert outcome.figures["spread of scores in a list"] > 0.1


def test_self_teaching_moves_the_edited_reading_alone() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = type("config", (), {"pad_token_id": 0})()
            self.scores = nn.ParameterDict({"clean": torch.tensor([1.0, 2.0]), "edited": torch.tensor([2.0, 1.0])})

        def forward(self, input_ids: Any) -> Any:
            chosen = self.scores["edited" if int(input_ids[0, 0]) else "clean"]
            return type("output", (), {"logits": chosen[:, None]})()

    batch = Batch({"input_ids": torch.tensor([[0], [0]])}, torch.zeros((1, 2)), None, {"input_ids": torch.ones((2, 1))})
    for detach in (True, False):
        model = Two()
        objective = robust.objective(lambda scores, targets: scores.sum() * 0.0, None, Invariance(detach=detach))
        objective(model, batch).loss.backward()
        clean, edited = model.scores["clean"].grad, model.scores["edited"].grad
        assert edited is not None
        assert float(edited.abs().sum()) > 0.1
        assert (clean is None or float(clean.abs().sum()) == 0.0) is detach


class TestAdversary:
    """HotFlip inside a batch."""

    def test_whole_words_of_documents_are_replaced_by_their_synonyms_and_no_more_than_allowed(
        self, tiny: Any, tokenizer: PairTokenizer
    ) -> None:
        batch, vocabulary = batch_of(tokenizer), tokenizer.vocabulary()
        names = {number: piece for piece, number in vocabulary.items()}
        attack = robust.adversary(AdversarySpec(words=1, share=1.0), TABLE, tokenizer)
        tiny.eval()
        before, after = (each.inputs["input_ids"] for each in (batch, attack(tiny, batch)))
        changed = [(int(row), int(place)) for row, place in (before != after).nonzero()]
        assert changed
        assert len({row for row, _ in changed}) == len(changed)
        for row, place in changed:
            assert batch.inputs["token_type_ids"][row, place] == 1
            assert names[int(after[row, place])] in TABLE.of(names[int(before[row, place])])
        nothing = robust.adversary(AdversarySpec(words=5, share=0.0), TABLE, tokenizer)
        assert torch.equal(nothing(tiny, batch).inputs["input_ids"], before)

    def test_scores_go_up_below_the_middle_and_down_above_and_more_than_by_chance(
        self, tiny: Any, tokenizer: PairTokenizer
    ) -> None:
        from robustrank.collections.bundled import SciFact
        from robustrank.perturbations.substitutes import load

        table = load("counterfitted")
        docs = sorted(doc.text for doc in SciFact().load().documents.values())[:40]
        long = PairTokenizer.from_file(Path(weights.resolve("robustrank-tiny")) / "tokenizer.json", 160)
        example = encode("protein expression in human cells", docs, tuple(range(40)), long)
        batch = collate([example], [(0, tuple(range(40)))], 0)
        tiny.eval()
        sign = robust._direction(batch.targets).reshape(-1)
        attack = robust.adversary(AdversarySpec(words=8, share=1.0), table, tokenizer)
        attacked = attack(tiny, batch)
        with torch.no_grad():
            clean, moved = scores_of(tiny, batch).reshape(-1), scores_of(tiny, attacked).reshape(-1)
            gain = float(((moved - clean) * sign).mean())
            rng, chance = Random(5), []
            for _ in range(5):  # as many random replacements in the same documents
                ids = batch.inputs["input_ids"].clone()
                open_to = attack._replaceable(batch.inputs)
                for row in range(len(ids)):
                    places = open_to[row].nonzero().reshape(-1).tolist()
                    count = int((attacked.inputs["input_ids"][row] != ids[row]).sum())
                    for place in rng.sample(places, count):
                        options = [int(i) for i in attack.candidates[ids[row, place]] if int(i)]
                        ids[row, place] = rng.choice(options)
                scores = first_token.logits(tiny, batch.inputs | {"input_ids": ids}).reshape(-1)
                chance.append(float(((scores - clean) * sign).mean()))
        assert gain > 0.3
        assert gain > 3 * max(chance)

    def test_on_a_scorer_that_adds_up_its_words_the_first_order_is_the_best_of_all_choices(
        self, tokenizer: PairTokenizer
    ) -> None:
        class Adds(nn.Module):
            def __init__(self, size: int) -> None:
                super().__init__()
                self.config = type("config", (), {"pad_token_id": 0})()
                self.table = nn.Embedding(size, 1)

            def get_input_embeddings(self) -> Any:
                return self.table

            def forward(self, input_ids: Any, token_type_ids: Any, attention_mask: Any) -> Any:
                return type("output", (), {"logits": (self.table(input_ids).squeeze(-1) * token_type_ids).sum(1)})()

        torch.manual_seed(3)
        vocabulary = tokenizer.vocabulary()
        model = Adds(max(vocabulary.values()) + 1).eval()
        batch = batch_of(tokenizer)
        attacked = robust.adversary(AdversarySpec(words=2, share=1.0), TABLE, tokenizer)(model, batch)
        with torch.no_grad():
            clean, moved = scores_of(model, batch)[0], scores_of(model, attacked)[0]
        best, weight = [], model.table.weight.detach()
        for row, (text, sign) in enumerate(zip(TEXTS, (-1.0, -1.0, 1.0), strict=True)):
            gains = []
            for word in words(text.lower()):
                options = [vocabulary[other] for other in TABLE.of(word.text)]
                value = weight[vocabulary[word.text]] if word.text in vocabulary else torch.zeros(1)
                gains.append(max([float(sign * (weight[o] - value)) for o in options], default=0.0))
            best.append(float(clean[row]) + sign * sum(sorted((max(0.0, g) for g in gains), reverse=True)[:2]))
        assert moved.tolist() == pytest.approx(best, abs=1e-5)

    def test_the_development_lists_are_always_attacked_in_the_same_way(
        self, tiny: Any, tokenizer: PairTokenizer
    ) -> None:
        attack = robust.adversary(AdversarySpec(words=3, share=0.5), TABLE, tokenizer)
        example = encode(QUERY, TEXTS * 8, tuple(range(24)), tokenizer)
        batch = collate([example], [(0, tuple(range(24)))], 0)
        tiny.eval()
        with torch.no_grad():
            first, *others = (attack(tiny, batch).inputs["input_ids"] for _ in range(4))
        assert not torch.equal(first, batch.inputs["input_ids"])
        assert all(torch.equal(first, other) for other in others)
        assert all(parameter.grad is None for parameter in tiny.parameters())

    def test_a_student_without_word_pieces_is_refused(self) -> None:
        class Letters:
            def vocabulary(self) -> dict[str, int]:
                return {"a": 0, "b": 1}

        with pytest.raises(ConfigError, match="WordPiece"):
            robust.adversary(AdversarySpec(), TABLE, Letters())  # type: ignore[arg-type]

    def test_an_adversary_of_no_words_is_none(self, tiny: Any, tokenizer: PairTokenizer) -> None:
        table = SubstituteTable("empty", "digest", {"qqqqq": ("zzzzz",)})
        with pytest.raises(ConfigError, match="no word"):
            robust.adversary(AdversarySpec(), table, tokenizer)
        assert isinstance(robust.adversary(AdversarySpec(), TABLE, tokenizer), Adversary)


EDIT = '[[stage.edit]]\nuse = "query_words"\nshare = {share}\n'
INVARIANCE, ADVERSARY = "[stage.invariance]\nweight = {weight}\n", "[stage.adversary]\nwords = 2\nshare = {share}\n"


def with_tables(file: Path, tables: str) -> Path:
    changed = file.with_name("robust.toml")
    changed.write_text(f"{file.read_text()}{tables}")
    return changed


def test_a_training_without_any_edit_is_the_plain_one_byte_for_byte(training: Path, tmp_path: Path) -> None:
    plain = distill.run(training, tmp_path / "plain", Silent()) / "model.safetensors"
    for number, tables in enumerate(
        (
            EDIT.format(share=0.0),
            ADVERSARY.format(share=0.0),
            EDIT.format(share=1.0) + INVARIANCE.format(weight=0.0),
        )
    ):
        made = distill.run(with_tables(training, tables), tmp_path / f"{number}", Silent())
        assert (made / "model.safetensors").read_bytes() == plain.read_bytes()


def test_a_robust_training_that_was_cut_off_makes_the_same_ranker(training: Path, tmp_path: Path) -> None:
    tables = EDIT.format(share=0.5) + ADVERSARY.format(share=0.5) + INVARIANCE.format(weight=1.0)
    file = with_tables(training, tables)
    whole = distill.run(file, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        distill.run(file, tmp_path / "cut", KilledAfter(8 + 3))  # lists of the teacher, then steps
    made = distill.run(file, tmp_path / "cut", Silent())
    assert (made / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    plain = distill.run(training, tmp_path / "plain", Silent())
    assert (plain / "model.safetensors").read_bytes() != (whole / "model.safetensors").read_bytes()
    figures = json.loads((whole / "courses.json").read_text())["only"]["figures"][0]
    assert figures["divergence"] > 0
    assert figures["spread of scores in a list"] > 0


def test_a_part_of_the_change_lies_between_before_and_after(training: Path, tmp_path: Path) -> None:
    def weights_of(change: str) -> dict[str, Any]:
        file = training.with_name(f"change{change}.toml")
        file.write_text(training.read_text().replace("max_length = 24", f"max_length = 24\n{change}"))
        return dict(load_file(distill.run(file, tmp_path / f"out{change}", Silent()) / "model.safetensors"))

    before, after, quarter = (weights_of(f"change = {share}") for share in ("0.0", "1.0", "0.25"))
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved
    for name in moved:
        expected = 0.75 * before[name].float() + 0.25 * after[name].float()
        assert torch.allclose(quarter[name].float(), expected, atol=2e-3)
    parent = load_file(Path(weights.resolve("robustrank-tiny")) / "model.safetensors")
    assert all(torch.equal(before[name].float(), parent[name].half().float()) for name in before)
    with pytest.raises(ConfigError, match="change must be from 0 to 1"):
        weights_of("change = 1.5")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (INVARIANCE.format(weight=1.0), "compares with edited texts"),
        (EDIT.format(share=0.5) + INVARIANCE.format(weight=-1.0), "weight of at least 0"),
        ("[stage.adversary]\nwords = 1\nsteps = 2\n", "words >= steps"),
        (ADVERSARY.format(share=1.5), "share from 0 to 1"),
        ("[[stage.edit]]\nshare = 0.5\n", "use"),
    ],
)
def test_a_robust_training_that_is_none_is_refused_when_the_file_is_read(
    training: Path, tables: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(with_tables(training, tables))
